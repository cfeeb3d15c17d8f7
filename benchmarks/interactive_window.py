"""A napari window with a mouse and a heartbeat, for `interactive.py`."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["Heartbeat", "Window"]

_SIZE = (1400, 900)
_BEAT = 10  # milliseconds


class Window:
    """A viewer, and whoever sits in front of it."""

    def __init__(self) -> None:
        import napari

        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*_SIZE)
        self.settle()

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    def draw(self) -> None:
        """Do everything that is due, drawing included."""
        from qtpy.QtWidgets import QApplication

        QApplication.processEvents()
        QApplication.processEvents()

    def settle(self, seconds: float = 0.5) -> None:
        """Let the window do what comes a little later."""
        from qtpy.QtTest import QTest

        QTest.qWait(int(1000 * seconds))

    def wait(self, condition: Callable[[], bool], seconds: float = 300) -> float:
        """Wait until something is so; gives the seconds."""
        from qtpy.QtTest import QTest

        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"It has not come so far in {seconds:.0f} s.")
            QTest.qWait(5)
        return time.monotonic() - began

    def show_layers(self, path: Any) -> None:
        """Open an image with our reader, as napari does."""
        from napari_ziggurat.gui.reader import read

        for data, options, kind in read(str(path)):
            getattr(self.viewer, f"add_{kind}")(data, **options)
        self.draw()

    def stroke(
        self, points: Sequence[tuple[float, float]], moves: int
    ) -> tuple[list[float], float]:
        """Draw from point to point, shares of the canvas.

        Gives seconds of each move of the mouse until it is drawn, and of the release.
        """
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtTest import QTest

        (first, last) = np.array(points) * (self.canvas.width(), self.canvas.height())
        places = [QPoint(*map(int, at)) for at in np.linspace(first, last, moves + 1)]
        left = Qt.MouseButton.LeftButton
        QTest.mouseMove(self.canvas, places[0])
        QTest.mousePress(self.canvas, left, pos=places[0])
        self.draw()
        taken = [self._timed(lambda at=place: self._drag(at)) for place in places[1:]]
        release = self._timed(lambda: QTest.mouseRelease(self.canvas, left, pos=places[-1]))
        return taken, release

    def _timed(self, act: Callable[[], object]) -> float:
        began = time.perf_counter()
        act()
        self.draw()
        return time.perf_counter() - began

    def _drag(self, place: Any) -> None:
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        at = (QPointF(place), QPointF(self.canvas.mapToGlobal(place)))
        (none, left) = (Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton)
        kind, keys = QEvent.Type.MouseMove, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(self.canvas, QMouseEvent(kind, *at, none, left, keys))


class Heartbeat:
    """A timer of the window; how late it is says how long the window did not listen."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(_BEAT)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now

    def stop(self) -> list[float]:
        self._timer.stop()
        return self.gaps
