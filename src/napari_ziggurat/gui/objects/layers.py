"""Layers of objects: each object in its colour, its row under the pointer, and doubtful places."""

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ziggurat.gui.layers import METADATA, Placement
from napari_ziggurat.gui.objects.grid import ObjectGrid
from napari_ziggurat.gui.objects.loading import Loaded
from napari_ziggurat.gui.view import layer_shape

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels, Layer

__all__ = ["OBJECTS", "labels_axes", "labels_path", "object_grid", "show_loaded"]

OBJECTS = "objects"  # our key, in what we note in layer.metadata, of the grid of objects

_OPACITY = 0.6
_DOUBT = "#ffaa00"
_LEAST = 7.0  # voxels on each side of what marks a doubtful place


def labels_path(layer: "Layer") -> str:
    """Give the store that a layer shows; empty where it shows none of ours."""
    return str(layer.metadata.get(METADATA, {}).get("path") or "")


def labels_axes(layer: "Layer") -> str:
    """Give the axes of a layer of labels: as noted, else its axis labels."""
    return str(layer.metadata.get(METADATA, {}).get("axes") or "".join(layer.axis_labels))


def object_grid(layer: "Layer | None") -> ObjectGrid | None:
    """Give the grid of a layer of objects; None for any other layer."""
    found = None if layer is None else layer.metadata.get(METADATA, {}).get(OBJECTS)
    return found if isinstance(found, ObjectGrid) else None


def show_loaded(viewer: "Viewer", labels: "Labels", loaded: Loaded) -> "Labels":
    """Lay objects on the labels that they were made of, in the place of older ones."""
    from napari_ziggurat.images import stem

    whole = (0.0,) * labels.ndim, (1.0,) * labels.ndim
    place = Placement.of(labels).part(*whole)
    about = {"path": str(loaded.path), "axes": labels_axes(labels), OBJECTS: loaded.grid}
    name = stem(loaded.path)
    _remove_older(viewer, str(loaded.path))
    if loaded.doubtful is not None:
        _show_doubtful(viewer, labels, loaded, {"name": f"{name}, doubtful places", **place})
    several = len(loaded.views) > 1
    layer = viewer.add_labels(
        list(loaded.views) if several else loaded.views[0],
        multiscale=several, name=name, opacity=_OPACITY, metadata={METADATA: about},
        **({} if loaded.table is None else {"features": dict(loaded.table)}), **place,
    )  # fmt: skip
    layer.editable = False
    viewer.layers.selection.active = layer
    return layer


def _remove_older(viewer: "Viewer", path: str) -> None:
    for layer in list(viewer.layers):
        about = layer.metadata.get(METADATA, {})
        if path in (about.get("doubtful"), about.get(OBJECTS) and about.get("path")):
            viewer.layers.remove(layer)


def _show_doubtful(
    viewer: "Viewer", labels: "Labels", loaded: Loaded, options: dict[str, Any]
) -> None:
    """Mark the middle of each doubtful place; what the table tells of it is under the pointer."""
    table = loaded.doubtful or {}
    count = len(next(iter(table.values()), ()))
    rows = [{name: column[i] for name, column in table.items()} for i in range(count)]
    points = [loaded.grid.point(row) for row in rows]
    if not rows or any(point is None for point in points):
        return
    axes, shape = labels_axes(labels), layer_shape(labels)
    known = [
        {"t": float(row.get("time", 0)), **(p or {})} for row, p in zip(rows, points, strict=True)
    ]
    places = [[point.get(letter, 0.0) for letter in axes] for point in known]
    boxes = [loaded.grid.box(row, axes, shape) for row in rows]
    sizes = [_LEAST if box is None else max(_LEAST, *box.shape[-2:]) for box in boxes]
    viewer.add_points(
        np.array(places), size=sizes, symbol="square", face_color="transparent",
        border_color=_DOUBT, border_width=0.1, features=dict(table),
        metadata={METADATA: {"doubtful": str(loaded.path)}}, **options,
    )  # fmt: skip
