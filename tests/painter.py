"""Painter: a person with a mouse in front of the dock."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Painter"]


class Painter:
    """A person with a mouse in front of the dock."""

    def __init__(self, dock: Any) -> None:
        self.dock, self.viewer, self.tab = dock, dock.viewer, dock.panel.annotate

    def annotate(self, place: Path | None = None) -> Any:
        """Click Annotate and wait; gives the layer."""
        self.dock.wait(self.tab.store.button.isEnabled)
        if place is not None:
            self.tab.store.line.setText(str(place))
        self.dock.click(self.tab.store.button)
        self.dock.wait(self.tab.store.button.isEnabled)
        assert self.tab.session is not None, self.said
        return self.tab.session.layer

    @property
    def said(self) -> str:
        return str(self.tab.store.state.text())

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    def stroke(self, *points: tuple[float, float], release: bool = True) -> None:
        """Draw from one point to the next; points are shares of the canvas, (x, y)."""
        from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QApplication

        (canvas, left) = (self.canvas, Qt.MouseButton.LeftButton)
        size = (canvas.width(), canvas.height())
        ends = np.array(points) * size
        path = np.concatenate([np.linspace(a, b, 8) for a, b in pairwise(ends)])
        places = [QPoint(int(x), int(y)) for x, y in path]
        QTest.mouseMove(canvas, places[0])  # without a move before it, the press is not noticed
        QTest.mousePress(canvas, left, pos=places[0])
        for point in places[1:]:
            # QTest.mouseMove carries no pressed button.
            at = (QPointF(point), QPointF(canvas.mapToGlobal(point)))
            kind, none = QEvent.Type.MouseMove, Qt.MouseButton.NoButton
            move = QMouseEvent(kind, *at, none, left, Qt.KeyboardModifier.NoModifier)
            QApplication.sendEvent(canvas, move)
            QTest.qWait(1)
        if release:
            QTest.mouseRelease(canvas, left, pos=places[-1])
        QApplication.processEvents()

    def line(self, y: float = 0.5, *, release: bool = True) -> None:
        """Draw a line through the middle of the canvas."""
        self.stroke((0.4, y), (0.6, y), release=release)

    def press(self, key: str) -> None:
        """Press a key over the canvas, such as ``"Alt+1"``."""
        from qtpy.QtGui import QKeySequence
        from qtpy.QtTest import QTest

        combined = QKeySequence(key)[0]
        QTest.keyClick(self.canvas, combined.key(), combined.keyboardModifiers())

    def click_row(self, name: str) -> None:
        """Click on a class."""
        from qtpy.QtCore import Qt

        table = self.tab.classes.table
        (row,) = [r for r in range(table.rowCount()) if table.item(r, 1).text() == name]
        place = table.visualItemRect(table.item(row, 1)).center()
        self.dock.qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, voxels and key of each row."""
        table = self.tab.classes.table
        return [
            tuple(table.item(row, column).text() for column in (1, 2, 3))
            for row in range(table.rowCount())
        ]
