"""Results: labels layers that lie on the image they were made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.gui.layers import METADATA, Placement, class_colormap, class_features
from napari_ziggurat.gui.lazy_view import Arranged, LazyView
from napari_ziggurat.gui.placing import level_place
from napari_ziggurat.gui.source import LayerSource, Reading
from napari_ziggurat.gui.tasks import Piece

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels, Layer

    from napari_ziggurat.images import Image

__all__ = ["Results", "Target", "shown_level"]

Key = tuple[Any, ...]  # what a result is made of, or the path it is written to

_OPACITY = 0.5  # the image stays visible below
_WIDE = 4096  # voxels; a wider plane is not shown without coarser levels


@dataclass(frozen=True)
class Target:
    """What results belong to: the layer and its place, the image behind it, and the model."""

    layer: "ImageLayer"
    placement: Placement
    reading: Reading
    model: Path
    classes: tuple[LabelClass, ...]

    @classmethod
    def of(
        cls, layer: "ImageLayer", reading: Reading, model: Path, classes: tuple[LabelClass, ...]
    ) -> "Target":
        """Keep the layer with the place that it has now."""
        return cls(layer, Placement.of(layer), reading, model, classes)

    @property
    def source(self) -> LayerSource:
        """What was found out of the layer."""
        return self.reading.source

    @property
    def image(self) -> "Image":
        """The image."""
        return self.reading.image

    @property
    def in_memory(self) -> bool:
        """Whether no other process can read the image."""
        return self.reading.path is None


class Results:
    """Shows results in a viewer; a new one takes the place of the older one of the same kind.

    The layers themselves are remembered: one that napari duplicated has the same name and metadata,
    and may hold corrections.
    """

    def __init__(self, viewer: "Viewer") -> None:
        self._viewer = viewer
        self._shown: WeakValueDictionary[Key, Labels] = WeakValueDictionary()
        self._images: WeakKeyDictionary[Labels, ImageLayer] = WeakKeyDictionary()

    def show_piece(self, target: Target, piece: Piece) -> "Labels":
        """Show the labels of a box; there is one such layer for an image layer and a model."""
        (axes, spatial) = (target.source.axes, target.image.axes.spatial)
        lengths = {"t": 1, "c": target.source.lengths.get("c", 1)}
        data = Arranged(piece.labels, spatial, axes, lengths=lengths)[...]
        start = {**dict(zip(spatial, piece.box.start, strict=True)), "t": piece.time}
        place = _place(target, piece.level, [start.get(letter, 0) for letter in axes])
        key = (ref(target.layer), target.model.resolve())
        name = f"{target.source.name}, {target.model.name}, view"
        return self._show(key, target, {"data": data, "name": name, **place})

    def show_store(self, target: Target, path: Path, *, complete: bool) -> "Labels":
        """Show labels that were written, or are being written; there is one such layer for a path.

        While they are written the coarser levels are empty, so the finest is shown alone where it
        can be.
        """
        from napari_ziggurat.images import open_image, stem

        image = open_image(path)
        axes = target.source.axes
        options: dict[str, Any] = {
            "lengths": target.source.lengths,
            "fixed": {letter: 0 for letter in image.axes.names if letter not in axes},
        }
        arrays = (Arranged(a, image.axes.names, axes, **options) for a in image.arrays)
        views = [LazyView(array) for array in arrays]
        if not complete and max(image.levels[0].shape[-2:]) <= _WIDE:
            views = views[:1]
        several = len(views) > 1
        shown = {"data": views if several else views[0], "multiscale": several, "name": stem(path)}
        place = _place(target, _level(target, image), [0] * len(axes))
        place["metadata"][METADATA]["path"] = str(path)  # of what objects are made
        return self._show((path.resolve(),), target, {**shown, **place})

    def image_of(self, layer: "Layer") -> "ImageLayer | None":
        """Give the image that a result lies on; None for a layer that is no result."""
        return self._images.get(layer)

    def _show(self, key: Key, target: Target, options: dict[str, Any]) -> "Labels":
        """Add a layer, in the place of an older one; what was selected stays selected."""
        layers = self._viewer.layers
        active = layers.selection.active
        look = self._remove_older(key)
        index = look.pop("index", len(layers))
        named = {"colormap": class_colormap(target.classes)}
        named |= {"features": class_features(target.classes), "opacity": _OPACITY}
        layer = self._viewer.add_labels(**{**named, **options, **look})
        layer.editable = False  # corrections belong in an annotation; the next result replaces this
        layers.move(len(layers) - 1, index)
        layers.selection.active = active if active in layers else layer
        self._shown[key] = layer
        self._images[layer] = target.layer
        return layer

    def _remove_older(self, key: Key) -> dict[str, Any]:
        """Take away the result of the same kind; gives back where it was and how it looked."""
        layers = self._viewer.layers
        older = self._shown.pop(key, None)
        if older is None or older not in layers:
            return {}
        index = layers.index(older)
        layers.remove(older)
        return {
            "index": index,
            "name": older.name,
            "opacity": older.opacity,
            "visible": older.visible,
        }


def shown_level(layer: "Labels") -> int:
    """Give the level of the image that a result was made of."""
    return int(layer.metadata[METADATA]["level"])


def _level(target: Target, labels: "Image") -> int:
    """Find the level of the image that labels were made of: the one of their shape.

    Spacing and place that a file states are not looked at: a PNG has none, others round them or
    state them in another unit.
    """
    shape = labels.levels[0].shape
    shapes = [level.shape for level in target.image.levels]
    if shape not in shapes:
        raise InputError(
            f"{labels.source} has the shape {shape}; the levels of '{target.image.name}' have "
            f"{', '.join(map(str, shapes))}. Open the file by itself."
        )
    return shapes.index(shape)


def _place(target: Target, index: int, start: Sequence[float]) -> dict[str, Any]:
    """Place labels whose voxel 0 is the voxel ``start`` of a level; the level is remembered."""
    (axes, placement) = (target.source.axes, target.placement)
    place = level_place(target.image, axes, placement, index, start)
    return {**place, "metadata": {METADATA: {"level": index, "axes": axes}}}
