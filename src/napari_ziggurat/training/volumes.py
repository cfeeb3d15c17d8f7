"""Labelled volumes: an image with the labels that belong to it, read patch by patch."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import EXPLICIT_BACKGROUND
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box, mirrored
from napari_ziggurat.images import Image
from napari_ziggurat.images.annotation import encode_target
from napari_ziggurat.images.block_cache import BlockCache
from napari_ziggurat.images.coarser import CoarserImage
from napari_ziggurat.progress import Progress, Run

__all__ = [
    "FoundLabels",
    "LabelCode",
    "LabelledVolume",
    "label_positions",
    "match_level",
]


@dataclass(frozen=True)
class LabelCode:
    """How label images become targets.

    Attributes
    ----------
    values : tuple of int
        Class value of each channel of the network; 0 is background.
    dense : bool
        Every voxel is labelled and 0 means background; else 0 means unlabelled.
    foreground : bool
        Every non-zero label is class 1.
    """

    values: tuple[int, ...]
    dense: bool
    foreground: bool

    @property
    def has_background(self) -> bool:
        """Tell whether channel 0 of the network is the background, not a class that was painted."""
        return self.values[0] == 0

    def encode(self, labels: NDArray[Any]) -> NDArray[np.uint8]:
        """Map labels to the target: 0 ignored, k for channel k - 1."""
        return encode_target(labels, self.values, dense=self.dense, foreground=self.foreground)


@dataclass(frozen=True)
class LabelledVolume:
    """One time point of an image at one level, with its labels.

    Attributes
    ----------
    image, labels : Image
    level, label_level : int
        Of the image, and of the labels where they have the same shape.
    code : LabelCode
    time : int
    held : (array, array) or None
        Image and target in memory.
    region : Box or None
        The part of the level that the volume is; None for all of it.
    around : CoarserImage or None
        Where surroundings are read, for networks that see them.
    held_around : array or None
        The whole of it in memory.
    cache : BlockCache or None
        Through which image and labels are read where they are not in memory.
    """

    image: Image
    labels: Image
    level: int
    label_level: int
    code: LabelCode
    time: int = 0
    held: tuple[NDArray[Any], NDArray[Any]] | None = None
    region: Box | None = None
    around: CoarserImage | None = None
    held_around: NDArray[Any] | None = None
    cache: BlockCache | None = None

    @property
    def origin(self) -> tuple[int, ...]:
        """Voxel of the level that the volume begins with."""
        return self.region.start if self.region else (0,) * len(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the level, or of its part, ((Z), Y, X)."""
        return self.region.shape if self.region else self.image.levels[self.level].shape

    @property
    def bytes(self) -> int:
        """Size of image and labels when held in memory."""
        per_voxel = self.image.dtype.itemsize * len(self.image.channels) + 1
        return Box.whole(self.shape).size * per_voxel

    def read(self, box: Box) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Image (C, (Z), Y, X) and target ((Z), Y, X) of a box."""
        return self.read_image(box), self.read_target(box)

    def read_image(self, box: Box) -> NDArray[Any]:
        """Image (C, (Z), Y, X) of a box."""
        if self.held is not None:
            return self.held[0][(slice(None), *box.slices)]
        return self._read(self.image, self.level, box, self.time)

    def read_target(self, box: Box) -> NDArray[np.uint8]:
        """Target ((Z), Y, X) of a box."""
        if self.held is not None:
            return self.held[1][box.slices]
        time = min(self.time, self.labels.times - 1)
        return self.code.encode(self._read(self.labels, self.label_level, box, time)[0])

    def is_silent(self, box: Box) -> bool:
        """Tell without reading that nothing in a box is labelled; not always where that is so."""
        if self.code.dense or self.held is not None:
            return False
        time = min(self.time, self.labels.times - 1)
        gap = self.labels.constant(self.label_level, self._stored(box), time)
        return gap is not None and not self.code.encode(gap).any()

    def read_around(self, box: Box) -> NDArray[Any]:
        """Surroundings (C, (Z), Y, X): a box of coarse voxels of the whole level, mirrored outside.

        What they show may lie outside the volume, where that is a part of its level.
        """
        assert self.around is not None  # whoever asks has a network that sees them
        if self.held_around is None:
            return self.around.read(box, self.time)
        voxels, sides = self.held_around, zip(box.start, box.stop, self.around.shape, strict=True)
        for axis, (a, b, n) in enumerate(sides, 1):
            voxels = voxels.take(mirrored(range(a, b), n), axis)
        return voxels

    def surrounded(self, factor: tuple[int, ...]) -> "LabelledVolume":
        """Let surroundings be read, coarser by a factor; from memory, where the image is there."""
        around = CoarserImage(self.image, self.level, factor)
        held = None
        if self.held is not None and self.region is None:
            held = around.read(Box.whole(around.shape), self.time)
        return replace(self, around=around, held_around=held)

    def part(self, box: Box) -> "LabelledVolume":
        """Give a box as a volume of its own; what is in memory is shared."""
        held = self.held and (self.held[0][(slice(None), *box.slices)], self.held[1][box.slices])
        return replace(self, held=held, region=self._stored(box))

    def hold(self) -> "LabelledVolume":
        """Keep image and target in memory."""
        box = Box.whole(self.shape)
        return replace(self, held=(self.read_image(box), self.read_target(box)))

    def cached(self, cache: BlockCache) -> "LabelledVolume":
        """Read through a cache, unless it is in memory as a whole."""
        return self if self.held is not None else replace(self, cache=cache)

    def _read(self, image: Image, level: int, box: Box, time: int) -> NDArray[Any]:
        reader = image.read if self.cache is None else partial(self.cache.read, image)
        return reader(level, self._stored(box), time)

    def _stored(self, box: Box) -> Box:
        """Give the voxels of the level that a box of the volume is."""
        return box.shift(self.region.start) if self.region else box


def match_level(image: Image, labels: Image, level: int | None) -> tuple[int, int]:
    """Find the image level and the label level that have the same shape.

    Parameters
    ----------
    image, labels : Image
        What belongs together.
    level : int or None
        The image level that is wanted; None takes the finest one that fits.

    Raises
    ------
    InputError
        No level fits, or the wanted one does not exist.
    """
    shapes = [each.shape for each in image.levels]
    if level is not None and not 0 <= level < len(shapes):
        raise InputError(f"'{image.name}' has levels 0 to {len(shapes) - 1}; level {level} is "
                         "not among them.")  # fmt: skip
    wanted = range(len(shapes)) if level is None else (level,)
    for each in wanted:
        for label_level, found in enumerate(labels.levels):
            if found.shape == shapes[each]:
                return each, label_level
    raise InputError(
        f"Labels must have the shape of the image: '{labels.name}' is "
        f"{labels.levels[0].shape}, '{image.name}' is "
        f"{' or '.join(str(shapes[each]) for each in wanted)} in (z,) y, x."
    )


@dataclass(frozen=True)
class FoundLabels:
    """What one pass over the labels of a volume found.

    Attributes
    ----------
    positions : mapping of int to (n, dims) array
        Positions of each target value but 0, evenly drawn from all there are.
    counts : mapping of int to int
        Voxels of each target value, 0 included.
    digest : str
        SHA-256 of the class of each voxel, whichever classes there are beside it.
    """

    positions: Mapping[int, NDArray[np.int64]]
    counts: Mapping[int, int]
    digest: str


def label_positions(
    volume: LabelledVolume, most: int = 20_000, within: Iterable[Box] | None = None
) -> Run[FoundLabels]:
    """Find where each target value occurs, and how often, in one pass over the labels.

    Parameters
    ----------
    volume : LabelledVolume
        A whole one; its labels are read box by box.
    most : int
        Positions that are kept of each target value.
    within : iterable of Box, optional
        Look at these boxes only, which do not overlap.
    """
    rng = np.random.default_rng(0)
    kept: dict[int, _Reservoir] = {}
    counts = np.zeros(256, np.int64)
    digest = hashlib.sha256(str(volume.shape).encode())
    classes = np.array([0, *(v or EXPLICIT_BACKGROUND for v in volume.code.values)], np.uint8)
    boxes = volume.labels.boxes(volume.label_level) if within is None else within
    for done, box in enumerate(boxes):
        yield Progress("labels", done)
        if volume.is_silent(box):
            digest.update(str(box).encode())
            counts[0] += box.size
            continue
        target = volume.read_target(box)
        digest.update(classes[target].tobytes())
        here = np.bincount(target.ravel(), minlength=256)
        counts += here
        for value in np.flatnonzero(here[1:]) + 1:
            kept.setdefault(int(value), _Reservoir(most, rng)).add(target == value, box.start)
    return FoundLabels(
        {value: kept[value].rows for value in sorted(kept)},
        {value: int(counts[value]) for value in np.flatnonzero(counts).tolist()},
        digest.hexdigest(),
    )


class _Reservoir:
    """Some of many positions, each with the same chance, however many come box by box.

    Every position draws a number; those with the smallest numbers stay (Efraimidis and Spirakis
    2006, doi:10.1016/j.ipl.2005.11.003).
    """

    def __init__(self, most: int, rng: np.random.Generator) -> None:
        self._most = most
        self._rng = rng
        self._drawn: NDArray[np.float64] = np.empty(0)
        self.rows: NDArray[np.int64] = np.empty((0, 0), np.int64)

    def add(self, mask: NDArray[np.bool_], start: Sequence[int]) -> None:
        """Add the marked voxels of a box that begins at ``start``."""
        found = np.flatnonzero(mask)
        drawn = self._rng.random(len(found))
        low = self._smallest(drawn)
        rows = np.stack(np.unravel_index(found[low], mask.shape), axis=1) + start
        self._drawn = np.concatenate([self._drawn, drawn[low]])
        self.rows = np.concatenate([self.rows, rows]) if self.rows.size else rows
        best = self._smallest(self._drawn)
        self._drawn, self.rows = self._drawn[best], self.rows[best]

    def _smallest(self, drawn: NDArray[np.float64]) -> NDArray[np.int64]:
        """Places of the smallest numbers, in order of the places."""
        if len(drawn) <= self._most:
            return np.arange(len(drawn))
        return np.sort(np.argpartition(drawn, self._most)[: self._most])
