"""What the canvas shows of a layer, in voxels."""

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

__all__ = ["layer_shape", "show_box", "units_per_unit", "visible_box"]

_MARGIN = 2.0  # sides of the canvas in sides of the box that is shown


def layer_shape(layer: "Layer") -> tuple[int, ...]:
    """Shape of a layer's finest level, without the colours of an RGB image."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(int(length) for length in data.shape[: layer.ndim])


def visible_box(viewer: "Viewer", layer: "Layer") -> Box | None:
    """Voxels of a layer's finest level that the canvas shows; None where there is no such box.

    There is none in the 3D display, and none when the layer lies outside the canvas. Along axes
    that are not displayed the box is one voxel thick. ``layer.corner_pixels`` is not used: on
    multiscale layers it is in voxels of the current level, grown to chunks, and not up to date.
    """
    if viewer.dims.ndisplay != 2:
        return None
    corners = _canvas_corners(viewer, layer)
    (low, high) = (corners.min(axis=0), corners.max(axis=0))
    displayed = _displayed_axes(viewer, layer)
    # Voxel i reaches from i - 0.5 to i + 0.5.
    start = np.where(displayed, np.floor(low + 0.5), np.round(low)).astype(int)
    stop = np.where(displayed, np.ceil(high + 0.5), start + 1).astype(int)
    whole = Box.whole(layer_shape(layer))
    box = Box(tuple(start.tolist()), tuple(stop.tolist())).intersect(whole)
    return box if box.size else None


def show_box(viewer: "Viewer", layer: "Layer", box: Box) -> None:
    """Move slider and camera so that a box of a layer is in the middle of the canvas.

    The display must be the 2D one. The box is in voxels of the layer's finest level.
    """
    corners = [np.array(box.start, float) - 0.5, np.array(box.stop, float) - 0.5]
    units = units_per_unit(viewer, layer)
    (low, high) = (np.array(layer.data_to_world(corner)) / units for corner in corners)
    missing = viewer.dims.ndim - layer.ndim
    middle = np.array(layer.data_to_world((corners[0] + corners[1]) // 2)) / units
    viewer.dims.set_point(range(missing, viewer.dims.ndim), middle.tolist())
    shown = [axis - missing for axis in viewer.dims.displayed]
    centre = ((low + high) / 2)[shown]
    size = np.maximum(np.abs(high - low)[shown], 1e-12)
    camera = viewer.scene.camera
    camera.center = (0, *centre.tolist())
    room = np.array(viewer.canvas.viewbox_size(viewer.layers), float)
    camera.zoom = float((room / size).min() / _MARGIN)


def _canvas_corners(viewer: "Viewer", layer: "Layer") -> NDArray[np.float64]:
    """Corners of the canvas in voxels of the layer, (4, ndim)."""
    camera = viewer.scene.camera
    # (height, width); in grid mode each layer has a part of the canvas, and all have one camera.
    half = np.array(viewer.canvas.viewbox_size(viewer.layers), float) / 2 / camera.zoom
    corners = []
    for signs in itertools.product((-1, 1), repeat=2):
        corner = np.array(viewer.dims.point, float)
        corner[list(viewer.dims.displayed)] = np.array(camera.center[-2:]) + half * signs
        world = corner[-layer.ndim :] * units_per_unit(viewer, layer)
        corners.append(layer.world_to_data(world))
    return np.array(corners)


def _displayed_axes(viewer: "Viewer", layer: "Layer") -> NDArray[np.bool_]:
    """For each axis of the layer, whether it lies in the plane of the canvas."""
    missing = viewer.dims.ndim - layer.ndim  # a layer with fewer axes lacks the leading ones
    return np.isin(np.arange(layer.ndim) + missing, viewer.dims.displayed)


def units_per_unit(viewer: "Viewer", layer: "Layer") -> NDArray[np.float64]:
    """How many units of the layer are in one unit of the viewer, per axis of the layer."""
    if viewer.layers.units is None:  # the layers' units have nothing in common
        return np.ones(layer.ndim)
    units = zip(viewer.layers.units[-layer.ndim :], layer.units, strict=True)
    return np.array([(1 * shown).to(own).magnitude for shown, own in units])
