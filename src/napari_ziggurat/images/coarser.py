"""Coarser: an image on a grid that is coarser by whole numbers, stored or averaged while read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import BlockGrid, Box, mirrored
from napari_ziggurat.images.image import Image

__all__ = ["AVERAGED_BYTES", "CoarserImage", "averaged"]

# Fine voxels that are held at once while they are averaged.
_AVERAGED_VOXELS = 2**22
AVERAGED_BYTES = _AVERAGED_VOXELS * 20
"""What averaging holds at once, of each channel."""

_SAME = 1e-3  # of a coarse voxel: numbers in metadata are rounded


@dataclass(frozen=True)
class CoarserImage:
    """A level of an image, coarser by a factor; voxel i stands for those from i * factor on.

    It is read from a level that the image has where one lies exactly there, and else it is the mean
    of the finer level's voxels, which are read in pieces of bounded size.

    Attributes
    ----------
    image : Image
    level : int
        The finer level.
    factor : tuple of int
        Ratio of the two grids per axis.
    """

    image: Image
    level: int
    factor: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ((Z), Y, X); the last voxels may stand for fewer fine ones."""
        fine = self.image.levels[self.level].shape
        return tuple(-(-n // f) for n, f in zip(fine, self.factor, strict=True))

    @cached_property
    def stored(self) -> int | None:
        """Level of the image that is read; None where the finer one is averaged."""
        levels = self.image.levels
        for number in range(self.level, len(levels)):
            place = levels[self.level].upsampling(levels[number])
            wanted = zip(place.step, place.offset, self.factor, strict=True)
            fits = all(
                abs(step * f - 1) < _SAME and abs(offset + (f - 1) / (2 * f)) < _SAME
                for step, offset, f in wanted
            )
            if fits and self._is_whole(levels[number].shape):
                return number
        return None

    def read(self, box: Box, time: int = 0) -> NDArray[Any]:
        """Voxels (C, (Z), Y, X) of a box, as stored; mirrored where it passes the image."""
        sides = [range(a, b) for a, b in zip(box.start, box.stop, strict=True)]
        seen = [mirrored(side, n) for side, n in zip(sides, self.shape, strict=True)]
        start = tuple(int(each.min()) for each in seen)
        stop = tuple(int(each.max()) + 1 for each in seen)
        voxels = self._read_inside(Box(start, stop), time)
        for axis, each in enumerate(seen, 1):
            voxels = voxels.take(each - start[axis - 1], axis)
        return voxels

    def _read_inside(self, box: Box, time: int) -> NDArray[Any]:
        if self.stored is not None:
            return self._read_stored(self.stored, box, time)
        voxels = np.empty((len(self.image.channels), *box.shape), self.image.dtype)
        for piece in BlockGrid(box, _piece(box.shape, self.factor)):
            part = piece.write_box
            here = part.relative_to(box.start).slices
            voxels[(slice(None), *here)] = self._averaged(part, time)
        return voxels

    def _read_stored(self, level: int, box: Box, time: int) -> NDArray[Any]:
        """Read a level; where a length was rounded down its last voxel is there twice."""
        there = box.intersect(Box.whole(self.image.levels[level].shape))
        if there.size == 0:  # the box is nothing but the voxel that was rounded away
            start = tuple(min(a, n - 1) for a, n in zip(
                box.start, self.image.levels[level].shape, strict=True))  # fmt: skip
            there = Box(start, tuple(max(a + 1, b) for a, b in zip(start, there.stop, strict=True)))
        voxels = self.image.read(level, there, time)
        missing = [(0, b - n) for b, n in zip(box.shape, there.shape, strict=True)]
        return np.pad(voxels, [(0, 0), *missing], mode="edge")

    def _averaged(self, box: Box, time: int) -> NDArray[Any]:
        fine = self.image.levels[self.level].shape
        start = tuple(a * f for a, f in zip(box.start, self.factor, strict=True))
        stop = tuple(min(b * f, n) for b, f, n in zip(box.stop, self.factor, fine, strict=True))
        there = Box(start, stop)
        value = self.image.constant(self.level, there, time)
        if value is not None:  # nothing is stored there
            return np.broadcast_to(value.reshape(-1, *[1] * box.ndim), (len(value), *box.shape))
        return averaged(self.image.read(self.level, there, time), (1, *self.factor))

    def _is_whole(self, shape: Sequence[int]) -> bool:
        """Tell whether a level has all voxels, but for those that writers round away."""
        fine = self.image.levels[self.level].shape
        sizes = zip(shape, fine, self.factor, strict=True)
        return all(n in (max(1, m // f), -(-m // f)) for n, m, f in sizes)


def averaged(voxels: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Mean over windows of these lengths per axis, rounded for integers.

    A window that is cut off is filled with its last voxels. Sums are made in one order wherever
    a window lies, so that the bits of a mean do not depend on what else is read.
    """
    whole = voxels.dtype.kind in "biu" and voxels.dtype.itemsize <= 2
    total: NDArray[Any] = voxels.astype(np.uint32 if whole and voxels.dtype.kind != "i" else
                                        np.int32 if whole else np.float64)  # fmt: skip
    for axis, factor in enumerate(factors):
        if factor > 1:
            total = _summed(total, axis, factor)
    mean = total / math.prod(factors)
    return (mean if voxels.dtype.kind == "f" else np.rint(mean)).astype(voxels.dtype)


def _summed(voxels: NDArray[Any], axis: int, factor: int) -> NDArray[Any]:
    missing = -voxels.shape[axis] % factor
    if missing:
        pads = [(0, missing if a == axis else 0) for a in range(voxels.ndim)]
        voxels = np.pad(voxels, pads, mode="edge")
    lead = (slice(None),) * axis
    total = voxels[(*lead, slice(0, None, factor))].copy()
    for offset in range(1, factor):
        total += voxels[(*lead, slice(offset, None, factor))]
    return total


def _piece(shape: Sequence[int], factor: Sequence[int]) -> tuple[int, ...]:
    """Cut a box of coarse voxels into slabs along its first axes."""
    piece = [1] * len(shape)
    for axis in reversed(range(len(shape))):
        room = _AVERAGED_VOXELS // (math.prod(piece) * math.prod(factor))
        piece[axis] = max(1, min(shape[axis], room))
    return tuple(piece)
