"""Fusing: one probability of those that several levels of an image give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.inference.labels import Decided, most_probable

__all__ = ["Fuser", "fuse"]

Probabilities = NDArray[np.float32]


def fuse(levels: Sequence[Probabilities], weights: Sequence[Sequence[float]]) -> Probabilities:
    """Weigh the levels for each class and let the classes sum to one at each voxel.

    Parameters
    ----------
    levels : sequence of (classes, ...) float32 arrays
        Probabilities of each level at the same voxels.
    weights : sequence of sequence of float
        One for each level and class.

    Returns
    -------
    (classes, ...) float32 array
        Every voxel follows from its own values alone, in a fixed order of sums.
    """
    total = np.zeros_like(levels[0])
    for each, row in zip(levels, weights, strict=True):
        total += each * np.asarray(row, np.float32).reshape(-1, *[1] * (each.ndim - 1))
    whole = total[0].copy()
    for channel in total[1:]:
        whole += channel
    np.divide(total, whole, out=total, where=whole > 0)
    return total


@dataclass(frozen=True, eq=False)
class Fuser:
    """Joins what a window says with what coarser levels say of the same voxels.

    Attributes
    ----------
    region : Box
        Voxels that coarser levels can be read for.
    coarse : sequence of callable
        Box -> probabilities (classes, (Z), Y, X) of each coarser level at the voxels of the box.
    weights : sequence of sequence of float
        One for each level, the finest first, and class.
    values : tuple of int
        Class value of each channel.
    """

    region: Box
    coarse: Sequence[Callable[[Box], Probabilities]]
    weights: Sequence[Sequence[float]]
    values: tuple[int, ...]

    def __call__(self, box: Box, fine: Probabilities) -> Decided:
        """Decide the voxels of a box, given the probabilities of the finest level."""
        fused = fuse([fine, *(read(box) for read in self.coarse)], self.weights)
        return Decided(most_probable(fused, self.values), fused)
