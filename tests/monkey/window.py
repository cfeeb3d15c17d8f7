"""Window: napari with the dock in it, and a mouse."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from painter import Painter

__all__ = ["Window"]

_SIZE = (1000, 700)


class Window:
    """A viewer, the dock while it is open, and the hand of whoever sits there.

    Attributes
    ----------
    panel : Panel or None
        The dock; None while it is closed.
    held : bool
        The mouse button is down.
    """

    def __init__(self, folder: Path) -> None:
        import napari
        from qtpy.QtTest import QTest

        self.folder, self.qtbot = folder, QTest
        self.viewer: Any = napari.Viewer(show=True)
        self.viewer.window.resize(*_SIZE)
        self.panel: Any = None
        self.held = False
        self._at: Any = None  # where the mouse is
        self.names = itertools.count(1)
        self.reopen()

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    @property
    def tab(self) -> Any:
        return self.panel.annotate

    def reopen(self) -> None:
        """Open the dock where it is closed."""
        from napari_ziggurat.gui.panel import Panel

        if self.panel is None:
            self.panel = Panel(self.viewer)
            self.viewer.window.add_dock_widget(self.panel, name="Ziggurat", area="right")

    def close_dock(self) -> None:
        """Click on the cross of the dock."""
        if self.panel is not None:
            self.click(self.panel.parent().title.close_button)
            self.panel = None

    def pump(self, seconds: float = 0.0) -> None:
        """Let the window do what is due."""
        from qtpy.QtWidgets import QApplication

        QApplication.processEvents()
        if seconds:
            self.qtbot.qWait(int(1000 * seconds))

    def wait(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{condition} has not come true in {seconds} s"
            self.pump(0.02)

    def click(self, button: Any) -> bool:
        """Click on what is to be seen; tells whether it was."""
        from qtpy.QtCore import Qt

        seen = bool(button.isVisible() and button.isEnabled())
        if seen:
            self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        return seen

    def open_tab(self, number: int) -> None:
        from qtpy.QtCore import Qt

        bar = self.panel.tabs.tabBar()
        place = bar.tabRect(number % bar.count()).center()
        self.qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place)

    def press(self, key: str) -> None:
        """Press a key over the canvas."""
        Painter.press(self, key)  # type: ignore[arg-type]

    def stroke(self, points: Any, *, release: bool = True) -> list[Any]:
        """Draw from point to point, shares of the canvas (x, y); gives where it was."""
        from qtpy.QtCore import QPoint, Qt

        size = (self.canvas.width(), self.canvas.height())
        places = [QPoint(int(x), int(y)) for x, y in np.array(points) * size]
        self.let_go()
        self.qtbot.mouseMove(self.canvas, places[0])
        self.qtbot.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=places[0])
        (self.held, self._at) = (True, places[-1])
        been = [self.viewer.cursor.position]
        for place in places[1:]:
            self._drag(place)
            been.append(self.viewer.cursor.position)
            self.pump()
        if release:
            self.let_go()
        return been

    def let_go(self) -> None:
        """Release the mouse button."""
        from qtpy.QtCore import Qt

        if self.held:
            self.held = False
            self.qtbot.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=self._at)

    def roll(self, steps: int, *, control: bool = False) -> None:
        """Turn the wheel over the middle of the canvas: zoom, or with Ctrl the slice."""
        from qtpy.QtCore import QPoint, QPointF, Qt
        from qtpy.QtGui import QWheelEvent
        from qtpy.QtWidgets import QApplication

        middle = self.canvas.rect().center()
        keys = Qt.KeyboardModifier
        event = QWheelEvent(
            QPointF(middle), QPointF(self.canvas.mapToGlobal(middle)), QPoint(0, 0),
            QPoint(0, 120 * steps), Qt.MouseButton.NoButton,
            keys.ControlModifier if control else keys.NoModifier,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(self.canvas, event)

    def voxel(self, layer: Any, position: Any) -> tuple[int, ...] | None:
        """Give the voxel of a layer at a place in the world; None beside it."""
        from napari_ziggurat.gui.view import units_per_unit

        world = np.array(position)[-layer.ndim :] * units_per_unit(self.viewer, layer)
        found = np.round(layer.world_to_data(world)).astype(int)
        inside = (found >= 0).all() and (found < layer.data.shape).all()
        return tuple(found.tolist()) if inside else None

    def _drag(self, place: Any) -> None:
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        at = (QPointF(place), QPointF(self.canvas.mapToGlobal(place)))
        (none, left) = (Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton)
        kind, keys = QEvent.Type.MouseMove, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(self.canvas, QMouseEvent(kind, *at, none, left, keys))
