"""Results: labels layers that lie on the image they were made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.gui.layers import METADATA, Placement, class_colormap, class_features
from napari_ziggurat.gui.lazy_view import Arranged, LazyView
from napari_ziggurat.gui.source import LayerSource, Reading
from napari_ziggurat.gui.tasks import Piece

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_ziggurat.images import Image
    from napari_ziggurat.images.image import Level

__all__ = ["Target", "show_piece", "show_store"]

_OPACITY = 0.5  # the image stays visible below
_WIDE = 4096  # voxels; a wider plane is not shown without coarser levels


@dataclass(frozen=True)
class Target:
    """What results belong to: the layer, the image behind it, and the model."""

    reading: Reading
    placement: Placement
    model: Path
    classes: tuple[LabelClass, ...]

    @property
    def source(self) -> LayerSource:
        """The layer."""
        return self.reading.source

    @property
    def image(self) -> "Image":
        """The image."""
        return self.reading.image

    @property
    def in_memory(self) -> bool:
        """Whether no other process can read the image."""
        return self.reading.path is None


def show_piece(viewer: "Viewer", target: Target, piece: Piece) -> "Labels":
    """Show the labels of a box; there is one such layer for an image and a model."""
    (axes, spatial) = (target.source.axes, target.image.axes.spatial)
    lengths = {"t": 1, "c": target.source.lengths.get("c", 1)}
    data = Arranged(piece.labels, spatial, axes, lengths=lengths)[...]
    level = target.image.levels[piece.level]
    start = {**dict(zip(spatial, piece.box.start, strict=True)), "t": piece.time}
    place = _place(target, level, [start.get(letter, 0) for letter in axes])
    return _show(viewer, target, f"{_name(target)}, view", data, place)


def show_store(viewer: "Viewer", target: Target, path: Path, *, complete: bool) -> "Labels":
    """Show labels that were written, or are being written.

    While they are, the coarser levels are empty, so the finest is shown alone where it can be.
    """
    from napari_ziggurat.images import open_image, stem

    image = open_image(path)
    axes = target.source.axes
    hidden = {letter: 0 for letter in image.axes.names if letter not in axes}
    views = [
        LazyView(Arranged(a, image.axes.names, axes, lengths=target.source.lengths, fixed=hidden))
        for a in image.arrays
    ]
    if not complete and max(image.levels[0].shape[-2:]) <= _WIDE:
        views = views[:1]
    place = _place(target, image.levels[0], [0] * len(axes))
    data = views if len(views) > 1 else views[0]
    return _show(viewer, target, stem(path), data, {**place, "multiscale": len(views) > 1})


def _name(target: Target) -> str:
    return f"{target.source.name}, {target.model.name}"


def _place(target: Target, level: "Level", start: Sequence[float]) -> dict[str, Any]:
    """Place labels whose voxel 0 is the voxel ``start`` of a level."""
    spatial = target.image.axes.spatial
    finest = target.image.levels[0]
    size = finest.spacing.values
    factors = dict.fromkeys(target.source.axes, 1.0)
    coarser = (a / b for a, b in zip(level.spacing.values, size, strict=True))
    factors |= dict(zip(spatial, coarser, strict=True))
    moved = zip(level.translation, finest.translation, size, strict=True)
    shift = dict(zip(spatial, ((a - b) / s for a, b, s in moved), strict=True))
    offset = [
        shift.get(letter, 0.0) + first * factors[letter]
        for letter, first in zip(target.source.axes, start, strict=True)
    ]
    return target.placement.part(offset, [factors[letter] for letter in target.source.axes])


def _show(
    viewer: "Viewer", target: Target, name: str, data: Any, place: dict[str, Any]
) -> "Labels":
    """Add a layer, in the place of an older one; what was selected stays selected."""
    active = viewer.layers.selection.active
    look = _remove_older(viewer, name)
    index = look.pop("index", len(viewer.layers))
    layer = viewer.add_labels(
        data,
        name=name,
        colormap=class_colormap(target.classes),
        features=class_features(target.classes),
        metadata={METADATA: {"result": name}},
        **{"opacity": _OPACITY, **place, **look},
    )
    layer.editable = False  # corrections belong in an annotation; the next result replaces this
    viewer.layers.move(len(viewer.layers) - 1, index)
    viewer.layers.selection.active = active if active in viewer.layers else layer
    return layer


def _remove_older(viewer: "Viewer", name: str) -> dict[str, Any]:
    """Take away the result of this name; gives back where it was and how it looked."""
    for index, layer in enumerate(viewer.layers):
        if layer.metadata.get(METADATA, {}).get("result") == name:
            viewer.layers.remove(layer)
            return {"index": index, "opacity": layer.opacity, "visible": layer.visible}
    return {}
