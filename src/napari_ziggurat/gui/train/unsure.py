"""Unsure: an image layer with how unsure a training is of the visible region."""

from typing import TYPE_CHECKING

import numpy as np

from napari_ziggurat.gui.layers import METADATA
from napari_ziggurat.gui.train.preview import laid_on

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_ziggurat.gui.source import Reading
    from napari_ziggurat.gui.train.live import Shown

__all__ = ["Unsure"]

_COLORMAP = "inferno"  # dark where it is sure


class Unsure:
    """Shows the entropy in place of the labels, written in place as they are."""

    def __init__(self, viewer: "Viewer") -> None:
        self._viewer = viewer
        self._layer: ImageLayer | None = None

    def show(self, image: "ImageLayer", reading: "Reading", shown: "Shown") -> None:
        """Show how unsure it is; what was selected stays selected."""
        if shown.unsure is None:
            self.remove()
            return
        data, place = laid_on(image, reading, shown.piece, shown.unsure)
        layer = self._layer
        if (
            layer is not None
            and layer in self._viewer.layers
            and layer.data.shape == data.shape
            and np.allclose(layer.translate, place["translate"])
        ):
            layer.data[...] = data
            layer.refresh(extent=False, thumbnail=False, highlight=False)
            return
        self.remove()
        layers = self._viewer.layers
        active = layers.selection.active
        self._layer = self._viewer.add_image(
            data, name=f"{image.name}, uncertainty", colormap=_COLORMAP, contrast_limits=(0, 1),
            opacity=0.6, metadata={METADATA: {"preview": True}}, **place,
        )  # fmt: skip
        if image in layers:
            layers.move(len(layers) - 1, layers.index(image) + 1)
        layers.selection.active = active

    def remove(self) -> None:
        """Take the layer away."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None
