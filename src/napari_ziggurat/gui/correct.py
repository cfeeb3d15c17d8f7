"""Correct: from a wrong place in a result back to painting there."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_ziggurat.classes import EXPLICIT_BACKGROUND
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.layers import METADATA
from napari_ziggurat.gui.pointer import clicked, value_at
from napari_ziggurat.gui.view import layer_shape, show_box, units_per_unit
from napari_ziggurat.gui.widgets import column, note

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

    from napari_ziggurat.gui.annotate.session import Session
    from napari_ziggurat.gui.annotate.tab import AnnotateTab
    from napari_ziggurat.gui.image_chooser import ImageChooser

__all__ = ["Correct"]

_PIXELS = 2  # of the canvas for a voxel of the finest level
_CLICK = "Click on the wrong place."
_NO_RESULT = "There is no result yet: segment the view or the whole image first."
_IN_3D = "A place can be clicked in the 2D display only (Ctrl+Y)."
_NO_IMAGE = "The image of this result is not open; choose it at the top."
_OUTSIDE = "This place lies outside of the chosen image."
_FOREGROUND = "Here the result says foreground: paint background, or take the class that is right."
_BACKGROUND = "Here the result says background: paint what it is."


@dataclass(frozen=True)
class _Wrong:
    """A place, and what the result says there.

    Attributes
    ----------
    image : Image layer
    position : tuple of float
        In the world of the viewer.
    value : int
    """

    image: "ImageLayer"
    position: tuple[float, ...]
    value: int


class Correct(QWidget):
    """A button, after which a click on a result leads to its annotation; so does Alt and a click.

    Parameters
    ----------
    viewer : Viewer
    images : ImageChooser
        The image is chosen there.
    annotate : AnnotateTab
    image_of : callable
        Gives the image layer that a result lies on; None where that is not known.
    """

    wanted = Signal()  # the tab for painting is to be shown

    def __init__(
        self,
        viewer: "Viewer",
        images: "ImageChooser",
        annotate: "AnnotateTab",
        image_of: "Callable[[Layer], ImageLayer | None]",
    ) -> None:
        super().__init__()
        self._viewer, self._images, self._annotate = viewer, images, annotate
        self._image_of = image_of
        self._wrong: _Wrong | None = None
        self._closed = False
        self.button = QPushButton("Correct here")
        self.button.setCheckable(True)
        self.button.setToolTip(
            "Then click on a wrong place in the result: the annotation is opened there, at full "
            "resolution. Alt and a click on the result do the same."
        )
        self.button.toggled.connect(self._armed)
        self.text = note("correct")
        self.text.hide()
        self.setLayout(column(self.button, self.text))
        viewer.mouse_drag_callbacks.append(self._pressed)
        annotate.known.connect(self._go_on)
        annotate.opened.connect(self._opened)

    def forget(self) -> None:
        """Listen to napari no longer; it may outlive this widget."""
        self._closed = True
        if self._pressed in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._pressed)

    def _armed(self, armed: bool) -> None:
        """Let the result be clicked: a click on an active annotation would paint."""
        results = [each for each in self._viewer.layers if each.visible and _is_result(each)]
        if armed and not results:
            self.button.setChecked(False)
            self._say(_NO_RESULT)
            return
        if armed and not _is_result(self._viewer.layers.selection.active):
            self._viewer.layers.selection.active = results[-1]
        self._say(_CLICK if armed else "")

    def _pressed(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        layer = viewer.layers.selection.active
        asked = self.button.isChecked() or "Alt" in event.modifiers
        if event.button != 1 or not asked or not _is_result(layer):
            return
        position = tuple(map(float, event.position))
        yield from clicked(event, partial(self._later, layer, position, value_at(layer, event)))

    def _later(self, layer: "Layer", position: tuple[float, ...], value: int) -> None:
        """Go there when napari is done with the click; the brush would paint with it otherwise."""
        self._wrong = None
        self.button.setChecked(False)
        image = self._image_of(layer) or self._images.layer
        if self._viewer.dims.ndisplay != 2:
            self._say(_IN_3D)
        elif image is None or image not in self._viewer.layers:
            self._say(_NO_IMAGE)
        else:
            self._wrong = _Wrong(image, position, value)
            QTimer.singleShot(0, self._begin)

    def _begin(self) -> None:
        if self._wrong is None or self._closed:
            return
        if self._images.layer is self._wrong.image:
            self._go_on()
        else:
            self._images.choose(self._wrong.image)  # which tells when it is known

    def _go_on(self) -> None:
        """Show the place, and open the annotation of its image."""
        wrong = self._wrong
        if wrong is None or self._closed or self._images.layer is not wrong.image:
            return
        if not self._annotate.ready:
            return
        box = _around(self._viewer, wrong)
        if box is None:
            self._wrong = None
            self._say(_OUTSIDE)
            return
        self.wanted.emit()
        show_box(self._viewer, wrong.image, box)
        self._annotate.annotate_at(wrong.position)

    def _opened(self, session: "Session | None") -> None:
        """Take the class that the place most likely is of."""
        (wrong, self._wrong) = (self._wrong, None)
        if wrong is None or session is None:
            return
        if wrong.value:
            session.choose(EXPLICIT_BACKGROUND)
        self._annotate.store.say(_FOREGROUND if wrong.value else _BACKGROUND)

    def _say(self, sentence: str) -> None:
        self.text.setText(sentence)
        self.text.setVisible(bool(sentence))


def _is_result(layer: "Layer | None") -> bool:
    """Tell whether a layer shows labels of ours that nobody paints on."""
    about = {} if layer is None else layer.metadata.get(METADATA, {})
    return bool({"level", "objects"} & set(about))


def _around(viewer: "Viewer", wrong: _Wrong) -> Box | None:
    """Give voxels of the image about a place, one plane thick; None where it lies outside."""
    image = wrong.image
    world = np.array(wrong.position)[-image.ndim :] * units_per_unit(viewer, image)
    centre = np.round(np.array(image.world_to_data(world))).astype(int)
    shape = np.array(layer_shape(image))
    if (centre < 0).any() or (centre >= shape).any():
        return None
    missing = viewer.dims.ndim - image.ndim
    shown = np.isin(np.arange(image.ndim) + missing, viewer.dims.displayed)
    # `show_box` makes the canvas twice as wide as the box.
    half = max(4, round(min(viewer.canvas.viewbox_size(viewer.layers)) / _PIXELS / 4))
    start = np.where(shown, centre - half, centre)
    stop = np.where(shown, centre + half, centre + 1)
    return Box(tuple(start.tolist()), tuple(stop.tolist()))
