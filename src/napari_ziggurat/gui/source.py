"""Source: the image behind a layer, and how to say the same image on the command line."""

import logging
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.geometry import Box, Spacing
from napari_ziggurat.gui.layers import METADATA, layer_spacing
from napari_ziggurat.gui.stores import outermost_store
from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_ziggurat.images import Image, Source

__all__ = ["LayerSource", "Reading", "read_source"]

logger = logging.getLogger(__name__)

_SIDE = 32  # pixels of the boxes in which a layer and its file are compared
_PARTS = (0.1, 0.3, 0.5, 0.7, 0.9)  # of each axis, where these boxes begin
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
    path : Path or Url, optional
        The file, folder or store on a server that the layer says it came from.
    """

    name: str
    axes: str
    levels: tuple[Any, ...]
    rgb: bool
    spacing: Spacing
    path: "Source | None" = None

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


@dataclass(frozen=True)
class Reading:
    """An image that can be read.

    Attributes
    ----------
    source : LayerSource
        What was asked for.
    image : Image
        The file behind the layer where there is one, else the layer's arrays.
    path : Path, Url or None
        That file; None for arrays, which no other process can read.
    said : mapping
        What must be said about the file where it is silent: ``axes``, ``spacing``, ``unit``.
    base : Path
        Where what is made of the image goes, and what its name begins with.
    all_channels : Reading, optional
        The file with all its channels, where the layer shows one of them.
    """

    source: LayerSource
    image: "Image"
    path: "Source | None" = None
    said: Mapping[str, Any] = field(default_factory=dict)
    base: Path = Path("image")
    all_channels: "Reading | None" = None

    def for_channels(self, count: int) -> "Reading":
        """Give what a model with so many channels reads: the layer, or all channels of its file."""
        whole = self.all_channels
        return whole if whole is not None and len(whole.image.channels) == count else self


def read_source(
    source: LayerSource, home: Path | None = None
) -> Generator[Progress, None, Reading]:
    """Find the image behind a layer; the generator gives back a `Reading`.

    It is the file that the layer came from, if that holds what the layer shows: its axes, times,
    channels and type, and the voxels of some small boxes. Otherwise it is the layer's arrays.

    Parameters
    ----------
    source : LayerSource
        What is known of the layer.
    home : Path, optional
        Where what is made of an image goes that does not lie on a disk; the person's home unless
        given.
    """
    yield Progress("open")
    home = home or Path.home()
    shown = _from_arrays(source)
    stored = _from_file(source, shown, home)
    if stored is not None and not _is_one_channel(shown, stored.image):
        return stored
    folder = stored.base.parent if stored is not None else home
    base = folder / re.sub(r"[^\w.-]+", "_", source.name)
    return Reading(source, shown, base=base, all_channels=stored)


def _from_arrays(source: LayerSource) -> "Image":
    from napari_ziggurat.images import image_from_array

    return image_from_array(
        list(source.levels),
        axes=source.array_axes,
        spacing=source.spacing.values,
        unit=source.spacing.unit,
        name=source.name,
    )


def _from_file(source: LayerSource, shown: "Image", home: Path) -> Reading | None:
    """Open the file again; None where it holds another image than the layer shows."""
    if source.path is None or (isinstance(source.path, Path) and not source.path.exists()):
        return None
    for axes in ({}, {"axes": source.array_axes}):
        image = _try_open(source.path, axes)
        if image is not None and _holds(image, shown, source.rgb):
            said = axes | _spacing_to_say(source.spacing, image.levels[0].spacing)
            if (image := _try_open(source.path, said)) is not None:
                return Reading(source, image, source.path, said, _base(source.path, home))
    return None


def _try_open(path: "Source", said: Mapping[str, Any]) -> "Image | None":
    from napari_ziggurat.images import open_image

    try:
        return open_image(path, **said)
    except ZigguratError:
        return None  # a file of another reader, or one that needs more to be said


def _base(path: "Source", home: Path) -> Path:
    """Name things after a file, beside it; those of an image in a plate lie beside the plate.

    What is made of an image on a server lies in ``home``.
    """
    from napari_ziggurat.images import stem

    if not isinstance(path, Path):
        return home / stem(path)
    store = outermost_store(path)
    return store.parent / "_".join([stem(store), *path.relative_to(store).parts])


def _holds(stored: "Image", shown: "Image", rgb: bool) -> bool:
    """Tell whether a file holds what a layer shows, which may be one of its channels."""
    if _grid(stored) != _grid(shown):
        return False
    try:
        (inside, wanted) = (_sample(stored), _sample(shown))
    except ZigguratError as error:
        logger.warning("%s", error)  # the layer's arrays may be read nevertheless
        return False
    if _is_one_channel(shown, stored):
        return any(_equal(channel, wanted[0]) for channel in inside)
    # Pictures are read without their transparency, which is no measurement.
    return _equal(inside, wanted[: len(inside)] if rgb else wanted)


def _is_one_channel(shown: "Image", stored: "Image") -> bool:
    return len(shown.channels) == 1 < len(stored.channels)


def _grid(image: "Image") -> tuple[Any, ...]:
    return image.axes.spatial, image.levels[0].shape, image.times, image.dtype


def _sample(image: "Image") -> NDArray[Any]:
    """Voxels of small boxes along the diagonal, (C, N): cheap to read and hard to have alike."""
    (shape, pieces) = (np.array(image.levels[0].shape), [])
    side = np.array([1, _SIDE, _SIDE][-len(shape) :])
    for part in _PARTS:
        start = (part * shape).astype(int)
        box = Box(tuple(start.tolist()), tuple(np.minimum(start + side, shape).tolist()))
        piece = image.read(0, box, int(part * image.times))
        pieces.append(piece.reshape(len(image.channels), -1))
    return np.concatenate(pieces, axis=1)


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _spacing_to_say(shown: Spacing, stored: Spacing) -> dict[str, Any]:
    """Say the layer's spacing where it has a unit and differs from what the file states."""
    if shown.unit is None or _same(shown, stored):
        return {}
    return {"spacing": shown.values, "unit": shown.unit}


def _same(one: Spacing, other: Spacing) -> bool:
    return one.unit == other.unit and np.allclose(one.values, other.values, rtol=_CLOSE, atol=0)


def _path(layer: "ImageLayer") -> "Source | None":
    from napari_ziggurat.images import to_source

    path = layer.metadata.get(METADATA, {}).get("path") or layer.source.path
    return to_source(path) if isinstance(path, str | Path) else None
