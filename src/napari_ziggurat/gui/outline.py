"""Outline: a box drawn on the planes that it has, in the place of the one before."""

from typing import TYPE_CHECKING, Any

from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.layers import Placement

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

__all__ = ["outline"]

_MOST_PLANES = 64  # of the box that are outlined, about its middle


def outline(viewer: "Viewer", layer: "Layer", box: Box, *, name: str, color: str) -> None:
    """Draw a box around voxels of a layer; what was selected stays selected.

    Parameters
    ----------
    viewer : Viewer
        In the 2D display.
    layer : Layer
        Where the box lies.
    box : Box
        Voxels of the layer's finest level.
    name : str
        Of the layer with the outline; an older one of this name goes.
    color : str
        Of the lines.
    """
    layers = viewer.layers
    active = layers.selection.active
    for old in [each for each in layers if each.name == name]:
        layers.remove(old)
    place = Placement.of(layer).part([0] * layer.ndim, [1] * layer.ndim)
    size = max(box.shape[-2:])
    viewer.add_shapes(
        _rectangles(viewer, layer, box), shape_type="rectangle", edge_width=max(1, size / 100),
        face_color="transparent", edge_color=color, name=name, **place,
    )  # fmt: skip
    layers.selection.active = active if active in layers else layer


def _rectangles(viewer: "Viewer", layer: "Layer", box: Box) -> list[Any]:
    """Corners of the box in each plane, along the first axis that is not displayed."""
    missing = viewer.dims.ndim - layer.ndim
    shown = [axis - missing for axis in viewer.dims.displayed]
    hidden = [axis for axis in range(layer.ndim) if axis not in shown]
    middle = [(a + b - 1) // 2 for a, b in zip(box.start, box.stop, strict=True)]
    found = []
    for plane in _planes(box.start[hidden[0]], box.stop[hidden[0]]) if hidden else [0]:
        corners = []
        for ends in ((0, 0), (0, 1), (1, 1), (1, 0)):
            corner = [float(n) for n in middle]
            if hidden:
                corner[hidden[0]] = plane
            for axis, end in zip(shown, ends, strict=True):
                corner[axis] = (box.start[axis], box.stop[axis])[end] - 0.5
            corners.append(corner)
        found.append(corners)
    return found


def _planes(start: int, stop: int) -> range:
    """Give the planes about the middle of a box."""
    spare = max(0, stop - start - _MOST_PLANES)
    return range(start + spare // 2, stop - (spare - spare // 2))
