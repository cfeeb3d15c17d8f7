"""Complete box: say that everything in a box is labelled, and the rest of it is background."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QLabel, QPushButton, QSpinBox, QWidget

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.layers import Placement
from napari_ziggurat.gui.view import visible_box
from napari_ziggurat.gui.widgets import column, note, row

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_ziggurat.gui.annotate.session import Session

__all__ = ["CompleteBox"]

_NAME = "complete box"
_MOST = 4096  # planes
_LARGE = 2**26  # voxels; more of them at once keep the window waiting
_DRAW = "Draw a rectangle on the image: press, drag, release."


class CompleteBox(QWidget):
    """A button; then the view or a drawn rectangle, how many planes, and a confirmation."""

    def __init__(self) -> None:
        super().__init__()
        self._session: Session | None = None
        self._shapes: Shapes | None = None  # a rectangle is drawn on it
        self._box: Box | None = None  # of one plane, in voxels of the annotation layer
        self.start_button = QPushButton("This box is complete…")
        self.start_button.setCheckable(True)
        self.start_button.setToolTip(
            "Say that everything in a box is painted: what is unlabelled in it is background."
        )
        self.view_button = QPushButton("What is shown")
        self.draw_button = QPushButton("Draw a box")
        self.planes = QSpinBox()
        self.planes.setRange(1, _MOST)
        self.planes.setToolTip("Planes of the box, half of them above and half below this one.")
        self._planes_label = QLabel("Planes")
        self.confirm_button = QPushButton("Complete")
        self.text = note("complete-box")
        self._more = QWidget()
        planes = row(self._planes_label, self.planes)
        planes.addStretch()
        planes.addWidget(self.confirm_button)
        choices = row(self.view_button, self.draw_button)
        self._more.setLayout(column(choices, self.text, planes))
        self.setLayout(column(self.start_button, self._more))
        self.start_button.toggled.connect(self._toggled)
        self.view_button.clicked.connect(self._take_view)
        self.draw_button.clicked.connect(self._draw)
        self.planes.valueChanged.connect(self._describe)
        self.confirm_button.clicked.connect(self._confirm)
        self._more.hide()

    def show_session(self, session: "Session | None") -> None:
        """Work on another annotation; what was begun is dropped."""
        self.start_button.setChecked(False)
        self._session = session
        volume = session is not None and session.layer.ndim > len(session.viewer.dims.displayed)
        self.planes.setVisible(volume)
        self._planes_label.setVisible(volume)

    def _toggled(self, shown: bool) -> None:
        self._stop_drawing()
        self._box = None
        self._describe()
        self._more.setVisible(shown)

    def _take_view(self) -> None:
        if (session := self._session) is None:
            return
        self._stop_drawing()
        self._box = visible_box(session.viewer, session.layer)
        self._describe()
        if self._box is None:
            self.text.setText("⚠ No plane of the annotation is shown; switch to the 2D display.")

    def _draw(self) -> None:
        """Let a person draw a rectangle on a layer that goes again."""
        if (session := self._session) is None:
            return
        self._stop_drawing()
        viewer = session.viewer
        if viewer.dims.ndisplay != 2:
            self.text.setText("⚠ A box is drawn in the 2D display.")
            return
        ndim = session.layer.ndim
        place = Placement.of(session.layer).part([0] * ndim, [1] * ndim)
        look = {"name": _NAME, "face_color": "#ffaa0033", "edge_color": "#ffaa00"}
        self._shapes = viewer.add_shapes(ndim=ndim, **look, **place)
        size = np.abs(session.layer.scale).min()
        self._shapes.current_edge_width = 2 / (viewer.scene.camera.zoom * size)
        self._shapes.mode = "add_rectangle"
        self._shapes.mouse_drag_callbacks.append(self._drawn)
        viewer.layers.events.removed.connect(self._layer_removed)
        self.text.setText(_DRAW)

    def _drawn(self, layer: Any, event: Any) -> Any:
        """Take the rectangle when the mouse is released."""
        yield
        while event.type == "mouse_move":
            yield
        (session, shapes) = (self._session, self._shapes)
        if session is None or shapes is None or not shapes.data:
            return
        self._box = _box_of(session, np.asarray(shapes.data[-1]))
        self._describe()
        if self._box is None:
            self.text.setText(f"⚠ That lies outside the annotation. {_DRAW}")

    def _layer_removed(self, event: Any) -> None:
        if event.value is self._shapes:
            self._shapes = None

    def _stop_drawing(self) -> None:
        (session, shapes) = (self._session, self._shapes)
        self._shapes = None
        if session is None or shapes is None:
            return
        layers = session.viewer.layers
        with suppress(RuntimeError, TypeError, ValueError):  # never connected, or gone
            layers.events.removed.disconnect(self._layer_removed)
        if shapes in layers:
            layers.remove(shapes)
        if session.layer in layers:
            layers.selection.active = session.layer

    def _describe(self, planes: int = 1) -> None:
        """Say which voxels it is about."""
        box = self._whole_box()
        self.confirm_button.setEnabled(box is not None)
        if box is None or self._session is None:
            self.text.setText("Which box? Unlabelled voxels in it become background.")
            return
        sides = zip(self._session.data.onto, box.start, box.stop, strict=True)
        named = ", ".join(_side(letter, a, b) for letter, a, b in sides)
        self.text.setText(f"{named}: what is unlabelled becomes background.")

    def _whole_box(self) -> Box | None:
        """Give the box with all its planes."""
        (session, box) = (self._session, self._box)
        if session is None or box is None:
            return None
        (start, stop) = (list(box.start), list(box.stop))
        letters = session.data.onto
        missing = session.viewer.dims.ndim - len(letters)
        shown = [axis - missing for axis in session.viewer.dims.displayed]
        for axis, letter in enumerate(letters):
            if axis not in shown and letter in "zyx":
                start[axis] -= (self.planes.value() - 1) // 2
                stop[axis] = start[axis] + self.planes.value()
        grown = Box(tuple(start), tuple(stop))
        return grown.intersect(Box.whole(session.data.shape))

    def _confirm(self) -> None:
        (session, box) = (self._session, self._whole_box())
        if session is None or box is None:
            return
        if box.size > _LARGE:
            error = InputError(f"{box.size:,} voxels are too many at once; up to {_LARGE:,} are.")
            self.text.setText(f"⚠ {error}")
            return
        self._stop_drawing()
        record = session.complete(box)
        if record is not None:
            self.start_button.setChecked(False)


def _box_of(session: "Session", inside: NDArray[Any]) -> Box | None:
    """Voxels of the annotation layer that a rectangle touches; it was drawn in its voxels."""
    low = np.floor(inside.min(axis=0) + 0.5).astype(int)
    high = np.floor(inside.max(axis=0) + 0.5).astype(int) + 1
    whole = Box.whole(session.data.shape)
    start = tuple(np.maximum(low, 0).tolist())
    stop = tuple(np.maximum(high, start).tolist())
    box = Box(start, stop).intersect(whole)
    return box if box.size else None


def _side(letter: str, start: int, stop: int) -> str:
    return f"{letter} {start}" if stop - start == 1 else f"{letter} {start} to {stop - 1}"
