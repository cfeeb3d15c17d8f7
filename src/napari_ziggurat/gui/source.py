"""Source: the image behind a layer, and how to say the same image on the command line."""

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.gui.layers import METADATA, layer_spacing
from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_ziggurat.images import Image

__all__ = ["LayerSource", "Reading", "read_source"]

_CLOSE = 1e-3  # spacings that differ by less are the same; files store rounded numbers


@dataclass(frozen=True)
class LayerSource:
    """What is known of an image layer, taken from the window so that a thread can go on with it.

    Attributes
    ----------
    name : str
        Name of the layer.
    axes : str
        Axes of the layer; the colours of an RGB layer are none.
    levels : tuple of arrays
        Finest first.
    rgb : bool
        Whether the arrays have a last axis of colours.
    spacing : Spacing
        From scale and units of the layer; without unit where napari counts in pixels.
    path : Path, optional
        The file or folder that the layer says it came from.
    """

    name: str
    axes: str
    levels: tuple[Any, ...]
    rgb: bool
    spacing: Spacing
    path: Path | None = None

    @classmethod
    def of(cls, layer: "ImageLayer", axes: str) -> "LayerSource":
        """Look at a layer; reads no voxels."""
        levels = tuple(layer.data) if layer.multiscale else (layer.data,)
        spacing = layer_spacing(layer, axes)
        return cls(layer.name, axes, levels, layer.rgb, spacing, _path(layer))

    @property
    def array_axes(self) -> str:
        """Axes of the arrays."""
        return self.axes + "c" * self.rgb

    @property
    def lengths(self) -> dict[str, int]:
        """Length of each axis of the layer."""
        return dict(zip(self.axes, map(int, self.levels[0].shape), strict=False))

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Shape of the finest level, ((Z), Y, X)."""
        return tuple(self.lengths[letter] for letter in Axes(self.axes).spatial)


@dataclass(frozen=True)
class Reading:
    """An image that can be read.

    Attributes
    ----------
    source : LayerSource
        What was asked for.
    image : Image
        The file behind the layer where there is one, else the layer's arrays.
    path : Path or None
        That file; None for arrays, which no other process can read.
    said : mapping
        What must be said about the file where it is silent: ``axes``, ``spacing``, ``unit``.
    """

    source: LayerSource
    image: "Image"
    path: Path | None = None
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """Name for what is made of the image."""
        from napari_ziggurat.images import stem

        return stem(self.path) if self.path else re.sub(r"[^\w.-]+", "_", self.source.name)


def read_source(source: LayerSource) -> Generator[Progress, None, Reading]:
    """Find the image behind a layer; the generator gives back a `Reading`."""
    yield Progress("open")
    return _from_file(source) or Reading(source, _from_arrays(source))


def _from_arrays(source: LayerSource) -> "Image":
    from napari_ziggurat.images import image_from_array

    return image_from_array(
        list(source.levels),
        axes=source.array_axes,
        spacing=source.spacing.values,
        unit=source.spacing.unit,
        name=source.name,
    )


def _from_file(source: LayerSource) -> Reading | None:
    """Open the file again, unless it holds another image than the layer shows."""
    if source.path is None or not source.path.exists():
        return None
    for axes in ({}, {"axes": source.array_axes}):
        image = _try_open(source.path, axes)
        if image is not None and image.levels[0].shape == source.spatial_shape:
            spacing = _spacing_to_say(source.spacing, image.levels[0].spacing)
            image = _try_open(source.path, axes | spacing) if spacing else image
            return None if image is None else Reading(source, image, source.path, axes | spacing)
    return None


def _try_open(path: Path, said: Mapping[str, Any]) -> "Image | None":
    from napari_ziggurat.images import open_image

    try:
        return open_image(path, **said)
    except ZigguratError:
        return None  # a file of another reader, or one that needs more to be said


def _spacing_to_say(shown: Spacing, stored: Spacing) -> dict[str, Any]:
    """Say the layer's spacing where it has a unit and differs from what the file states."""
    if shown.unit is None or _same(shown, stored):
        return {}
    return {"spacing": shown.values, "unit": shown.unit}


def _same(one: Spacing, other: Spacing) -> bool:
    return one.unit == other.unit and np.allclose(one.values, other.values, rtol=_CLOSE, atol=0)


def _path(layer: "ImageLayer") -> Path | None:
    path = layer.metadata.get(METADATA, {}).get("path") or layer.source.path
    return Path(path) if isinstance(path, str | Path) else None
