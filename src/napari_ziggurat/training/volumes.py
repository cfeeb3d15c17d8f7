"""Labelled volumes: an image with the labels that belong to it, read patch by patch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image
from napari_ziggurat.images.annotation import encode_target

__all__ = ["LabelCode", "LabelledVolume", "hold_what_fits", "label_positions", "match_level"]


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

    def encode(self, labels: NDArray[Any]) -> NDArray[np.uint8]:
        """Map labels to the target: 0 ignored, k for channel k - 1."""
        return encode_target(labels, self.values, dense=self.dense, foreground=self.foreground)


@dataclass(frozen=True)
class LabelledVolume:
    """One time point of an image at one level, with its labels."""

    image: Image
    labels: Image
    level: int
    label_level: int
    code: LabelCode
    time: int = 0
    held: tuple[NDArray[Any], NDArray[Any]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the level, ((Z), Y, X)."""
        return self.image.levels[self.level].shape

    @property
    def bytes(self) -> int:
        """Size of image and labels when held in memory."""
        per_voxel = self.image.dtype.itemsize * len(self.image.channels) + 1
        return Box.whole(self.shape).size * per_voxel

    def read(self, box: Box) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Image (C, (Z), Y, X) and target ((Z), Y, X) of a box."""
        if self.held is not None:
            image, target = self.held
            return image[(slice(None), *box.slices)], target[box.slices]
        return self._read_image(box), self.read_target(box)

    def read_target(self, box: Box) -> NDArray[np.uint8]:
        """Target ((Z), Y, X) of a box."""
        time = min(self.time, self.labels.times - 1)
        return self.code.encode(self.labels.read(self.label_level, box, time)[0])

    def hold(self) -> "LabelledVolume":
        """Keep image and target in memory."""
        box = Box.whole(self.shape)
        return replace(self, held=(self._read_image(box), self.read_target(box)))

    def _read_image(self, box: Box) -> NDArray[Any]:
        return self.image.read(self.level, box, self.time)


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


def label_positions(
    volume: LabelledVolume, most: int = 20_000
) -> tuple[dict[int, NDArray[np.int64]], dict[int, int]]:
    """Where each target value occurs, and how often, in one pass over the labels.

    Returns
    -------
    positions : dict of int to (n, dims) array
        Up to ``most`` positions for each target value but 0, evenly drawn.
    counts : dict of int to int
        Voxels of each target value, 0 included.
    """
    rng = np.random.default_rng(0)
    kept: dict[int, list[NDArray[np.int64]]] = {}
    counts: dict[int, int] = {}
    for box in volume.labels.boxes(volume.label_level):
        target = volume.read(box)[1] if volume.held else volume.read_target(box)
        for value, n in zip(*np.unique(target, return_counts=True), strict=True):
            counts[int(value)] = counts.get(int(value), 0) + int(n)
            if value:
                found = np.argwhere(target == value)
                kept.setdefault(int(value), []).append(_thin(found, most, rng) + box.start)
    return {value: _thin(np.concatenate(parts), most, rng) for value, parts in kept.items()}, counts


def _thin(rows: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rows if len(rows) <= most else rows[rng.choice(len(rows), most, replace=False)]


def hold_what_fits(volumes: Sequence[LabelledVolume], budget: int) -> list[LabelledVolume]:
    """Keep volumes in memory in turn, as long as the budget in bytes lasts."""
    held = []
    for volume in volumes:
        budget -= volume.bytes
        held.append(volume.hold() if budget >= 0 else volume)
    return held
