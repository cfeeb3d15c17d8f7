"""Preview: one labels layer with what a training makes of the visible region, written in place."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.gui.layers import METADATA, Placement, class_colormap, class_features
from napari_ziggurat.gui.lazy_view import Arranged
from napari_ziggurat.gui.placing import level_place

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels

    from napari_ziggurat.gui.source import Reading
    from napari_ziggurat.gui.tasks import Piece
    from napari_ziggurat.gui.train.live import Shown

__all__ = ["Preview", "laid_on"]

_OPACITY = 0.45


class Preview:
    """Shows what is learned; the layer lies below the annotation and is never painted on."""

    def __init__(self, viewer: "Viewer") -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self.opacity = _OPACITY

    def set_opacity(self, share: float) -> None:
        """Let more or less of the image be seen through."""
        self.opacity = share
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.opacity = share

    def show(self, image: "ImageLayer", reading: "Reading", shown: "Shown") -> None:
        """Show a piece, in the same array where it has the same shape and place."""
        data, place = laid_on(image, reading, shown.piece, shown.piece.labels)
        layer = self._layer
        if layer is None or layer not in self._viewer.layers:
            self._layer = self._add(image, data, {**place, "name": f"{image.name}, preview"})
        elif layer.data.shape == data.shape and np.allclose(layer.translate, place["translate"]):
            layer.data[...] = data
            layer.refresh(extent=False, thumbnail=False, highlight=False)
        else:
            layer.data = data
            layer.translate = place["translate"]
        if self._layer is not None and shown.classes:
            self._name(self._layer, shown)

    def set_visible(self, shown: bool) -> None:
        """Hide the layer, or show it again."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.visible = shown

    def remove(self) -> None:
        """Take the layer away."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None

    def _add(self, image: "ImageLayer", data: object, options: dict[str, object]) -> "Labels":
        """Add the layer above its image; what was selected stays selected."""
        layers = self._viewer.layers
        active = layers.selection.active
        layer = self._viewer.add_labels(
            data, opacity=self.opacity, metadata={METADATA: {"preview": True}}, **options
        )
        layer.editable = False
        if image in layers:
            layers.move(len(layers) - 1, layers.index(image) + 1)
        layers.selection.active = active
        return layer

    def _name(self, layer: "Labels", shown: "Shown") -> None:
        """Give the values the names and colours of their classes, when they change."""
        features = class_features(shown.classes)
        if list(layer.features.get("class", [])) != list(features["class"]):
            layer.colormap = class_colormap(shown.classes)
            layer.features = features


def laid_on(
    image: "ImageLayer", reading: "Reading", piece: "Piece", voxels: NDArray[Any]
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Give voxels of a piece with the axes of the layer that they lie on, and their place."""
    axes = reading.source.axes
    whole = (reading.all_channels or reading).image
    spatial = whole.axes.spatial
    lengths = {"t": 1, "c": reading.source.lengths.get("c", 1)}
    data = np.array(Arranged(voxels, spatial, axes, lengths=lengths)[...])
    start = {**dict(zip(spatial, piece.box.start, strict=True)), "t": piece.time}
    first = [start.get(letter, 0) for letter in axes]
    return data, level_place(whole, axes, Placement.of(image), piece.level, first)
