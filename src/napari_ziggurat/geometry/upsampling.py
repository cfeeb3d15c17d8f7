"""Upsampling: values of a coarse grid at the voxels of a fine one, by linear interpolation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry.box import Box

__all__ = ["Upsampling"]

# Two grids whose voxels coincide are one, although the quotient of their sizes has an error.
_SAME = 1e-6


@dataclass(frozen=True)
class Upsampling:
    """Where the voxels of a fine grid lie in a coarse one, and what is between its voxels.

        coarse      0           1           2          position = offset + step * fine index
        fine      0   1   2   3   4   5   6   7        (offset -1/3, step 1/3 here)

    Positions follow from the index in the whole grid, and every voxel is computed by itself: the
    bits do not depend on the box that is asked for. Before the first and behind the last coarse
    voxel its value goes on.

    Attributes
    ----------
    step, offset : tuple of float
        Per axis, in coarse voxels: size of a fine voxel, and position of fine voxel 0.
    shape : tuple of int
        Shape of the whole coarse grid, ((Z), Y, X).
    """

    step: tuple[float, ...]
    offset: tuple[float, ...]
    shape: tuple[int, ...]

    @classmethod
    def between(
        cls,
        fine: tuple[Sequence[float], Sequence[float]],
        coarse: tuple[Sequence[float], Sequence[float]],
        shape: tuple[int, ...],
    ) -> "Upsampling":
        """Compare two grids.

        Parameters
        ----------
        fine, coarse : (spacing, translation)
            Voxel size and centre of voxel 0 per axis, both in one unit.
        shape : tuple of int
            Of the coarse grid.
        """
        sizes = [(f, c) for f, c in zip(fine[0], coarse[0], strict=True)]
        places = zip(fine[1], coarse[1], sizes, strict=True)
        return cls(
            tuple(f / c for f, c in sizes), tuple((a - b) / c for a, b, (_, c) in places), shape
        )

    def support(self, box: Box) -> Box:
        """Coarse voxels that a box of the fine grid needs; a box that is not empty."""
        ranges = [
            (int(low[0]), int(high[-1]) + 1)
            for low, high, _ in (self._between(axis, box) for axis in range(box.ndim))
        ]
        start, stop = zip(*ranges, strict=True)
        return Box(start, stop)

    def __call__(
        self, values: NDArray[np.float32], start: Sequence[int], box: Box
    ) -> NDArray[np.float32]:
        """Give the voxels of a box.

        Parameters
        ----------
        values : (..., (Z), Y, X) float32 array
            Coarse voxels: those of `support`, or more.
        start : sequence of int
            Where they begin in the coarse grid.
        box : Box
            Of the fine grid.

        Returns
        -------
        (..., (Z), Y, X) float32 array of the box's shape
        """
        leading = values.ndim - box.ndim
        for axis, first in enumerate(start):
            low, high, weight = self._between(axis, box)
            values = _along(values, leading + axis, low - first, high - first, weight)
        return values

    def _between(
        self, axis: int, box: Box
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Give the coarse voxel before each fine one, the one behind, and the weight of that."""
        index = np.arange(box.start[axis], box.stop[axis], dtype=np.float64)
        position = self.offset[axis] + self.step[axis] * index
        nearest = np.rint(position)
        position = np.where(np.abs(position - nearest) < _SAME, nearest, position)
        position = np.clip(position, 0, self.shape[axis] - 1)
        low = np.floor(position)
        return (
            low.astype(np.int64),
            np.ceil(position).astype(np.int64),
            (position - low).astype(np.float32),
        )


def _along(
    values: NDArray[np.float32],
    axis: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    weight: NDArray[np.float32],
) -> NDArray[np.float32]:
    before = values.take(low, axis)
    if not weight.any():  # the two grids have this axis in common
        return before
    found = values.take(high, axis)
    found -= before
    found *= weight.reshape(-1, *[1] * (values.ndim - 1 - axis))
    found += before
    return found
