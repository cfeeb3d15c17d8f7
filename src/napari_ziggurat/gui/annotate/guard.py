"""Guard: says why nothing can be painted just now, and rests the brush until it can."""

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_ziggurat.gui.view import units_per_unit

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_ziggurat.gui.annotate.session import Session

__all__ = ["Guard", "obstacle"]

_BRUSHES = ("paint", "erase", "fill", "polygon")
_DIMS = ("ndisplay", "current_step", "order")
_LAYER = ("visible", "scale", "translate", "rotate", "shear", "affine")
_TURNED_BY = 1e-6

_IN_3D = "Nothing can be painted in the 3D display. Go back to 2D (Ctrl+Y)."
_HIDDEN = "The annotation layer is hidden; show it to paint."
_TURNED = (
    "The image is turned out of this plane, and napari cannot paint that. Look along another axis, "
    "or set its rotation to 0."
)
_OUTSIDE = "This plane lies outside the annotation; move back to where the image is."


def obstacle(viewer: "Viewer", layer: "Layer") -> str:
    """Say why a layer cannot be painted on just now; nothing where it can be."""
    if viewer.dims.ndisplay != 2:
        return _IN_3D
    if not layer.visible:
        return _HIDDEN
    missing = viewer.dims.ndim - layer.ndim
    shown = [axis - missing for axis in viewer.dims.displayed]
    hidden = [axis for axis in range(layer.ndim) if axis not in shown]
    point = np.array(viewer.dims.point, float)[missing:] * units_per_unit(viewer, layer)
    here = np.array(layer.world_to_data(point))
    for axis in hidden:
        step = np.zeros(layer.ndim)
        step[axis] = 1
        moved = np.array(layer.world_to_data(point + step)) - here
        if min(shown) >= 0 and np.abs(moved[shown]).max() > _TURNED_BY:
            return _TURNED
    shape = np.array(layer.data.shape)
    inside = [0 <= np.round(here[axis]) < shape[axis] for axis in hidden]
    return "" if all(inside) else _OUTSIDE


class Guard(QObject):
    """Watches the display and rests the brush of a session where painting would fail."""

    changed = Signal(str)  # why nothing can be painted; empty where it can

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self._session = session
        self._resting = ""  # the mode to go back to
        self._why = ""
        for name in _DIMS:
            getattr(session.viewer.dims.events, name).connect(self.look)
        for name in _LAYER:
            getattr(session.layer.events, name).connect(self.look)
        session.layer.events.mode.connect(self.look)

    def look(self, event: Any = None) -> None:
        """Look whether the layer can be painted on."""
        layer = self._session.layer
        why = obstacle(self._session.viewer, layer)
        if why and str(layer.mode) in _BRUSHES:
            self._resting = str(layer.mode)
            layer.mode = "pan_zoom"
        elif not why and self._resting:
            (mode, self._resting) = (self._resting, "")
            layer.mode = mode
        if why != self._why:
            self._why = why
            self.changed.emit(why)

    def forget(self) -> None:
        """Watch no longer."""
        session = self._session
        for name in _DIMS:
            getattr(session.viewer.dims.events, name).disconnect(self.look)
        for name in _LAYER:
            getattr(session.layer.events, name).disconnect(self.look)
        session.layer.events.mode.disconnect(self.look)
