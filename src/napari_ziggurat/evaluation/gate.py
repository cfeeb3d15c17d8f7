"""Gate: how small a coarse probability may be where fine foreground is, learned from examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box, Upsampling

__all__ = ["RADII", "RECALLS", "GateCounts", "GateFit"]

RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 1.0)
"""Recalls that thresholds are fitted for."""

RADII = (0, 1, 2)
"""Coarse voxels around a place that may count for it."""

_JUDGED = 0.999  # recall by which radii are compared
_STEPS = 2**14  # between probabilities 0 and 1; thresholds are rounded down to one
# Above one half the coarse pass itself would call a voxel foreground.
_HIGHEST = _STEPS // 2

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class GateFit:
    """What was learned.

    Attributes
    ----------
    radius : int
        Coarse voxels around a place that count for it.
    thresholds : tuple of (recall, threshold)
        The largest threshold that keeps so much of the foreground; none is above one half.
    foreground : int
        Foreground voxels that they were learned from.
    kept : float
        Share of all coarse voxels that is kept with 0.999 of the foreground.
    """

    radius: int
    thresholds: tuple[tuple[float, float], ...]
    foreground: int
    kept: float


class GateCounts:
    """Counts coarse probabilities: where there is fine foreground, and everywhere.

    Boxes come one by one, and memory does not grow with them.

    Parameters
    ----------
    upsampling : Upsampling
        From the coarse level to the fine one.
    """

    def __init__(self, upsampling: Upsampling) -> None:
        self._upsampling = upsampling
        self._foreground = {radius: np.zeros(_STEPS + 1, np.int64) for radius in RADII}
        self._everywhere = {radius: np.zeros(_STEPS + 1, np.int64) for radius in RADII}

    def needs(self, box: Box) -> Box:
        """Coarse voxels that are wanted for a box of the fine level."""
        support, shape = self._upsampling.support(box), self._upsampling.shape
        return Box(
            tuple(max(0, a - max(RADII)) for a in support.start),
            tuple(min(b + max(RADII), n) for b, n in zip(support.stop, shape, strict=True)),
        )

    def add(
        self, coarse: NDArray[np.float32], foreground: NDArray[np.bool_], start: Sequence[int]
    ) -> None:
        """Take a box.

        For each fine foreground voxel the largest coarse probability around it counts. A gate looks
        at the largest one around a whole tile, which is no smaller: it rejects no voxel that this
        would keep.

        Parameters
        ----------
        coarse : ((Z), Y, X) float32 array
            Probability of foreground in the box that `needs` gives.
        foreground : ((Z), Y, X) array of bool
            Fine labels or predictions that are not background.
        start : sequence of int
            Where ``foreground`` begins in the fine level.
        """
        stop = tuple(a + n for a, n in zip(start, foreground.shape, strict=True))
        box = Box(tuple(start), stop)
        corner = self.needs(box).start
        inside = self._upsampling.support(box).relative_to(corner).slices
        for radius in RADII:
            around = ndimage.maximum_filter(coarse, 2 * radius + 1, mode="nearest")
            self._everywhere[radius] += _counted(around[inside])
            fine = self._upsampling(around, corner, box)
            self._foreground[radius] += _counted(fine[foreground])

    def __add__(self, other: "GateCounts") -> "GateCounts":
        """Count both, which may be of images of different shapes."""
        both = GateCounts(self._upsampling)
        for radius in RADII:
            both._foreground[radius] = self._foreground[radius] + other._foreground[radius]
            both._everywhere[radius] = self._everywhere[radius] + other._everywhere[radius]
        return both

    def fit(self) -> GateFit:
        """Find thresholds, and the radius with which they leave out most.

        A larger radius forgives a coarse pass that is wrong about the place, and keeps more around
        what it sees.

        Raises
        ------
        InputError
            There is no foreground to learn from.
        """
        count = int(self._foreground[0].sum())
        if not count:
            raise InputError(
                "A gate is learned from foreground, and there is none in what was given; give "
                "images with some."
            )
        radius = min(RADII, key=self._kept)
        thresholds = tuple((r, _step(self._foreground[radius], r) / _STEPS) for r in RECALLS)
        return GateFit(radius, thresholds, count, self._kept(radius))

    def _kept(self, radius: int) -> float:
        """Share of the coarse voxels that a threshold keeps."""
        everywhere = self._everywhere[radius]
        step = _step(self._foreground[radius], _JUDGED)
        return float(everywhere[step:].sum() / everywhere.sum())


def _counted(values: NDArray[np.float32]) -> Counts:
    steps = (np.clip(values, 0, 1) * _STEPS).astype(np.int64)
    return np.bincount(steps.ravel(), minlength=_STEPS + 1)


def _step(counts: Counts, recall: float) -> int:
    """Find the largest step at or above which so large a share of the counts lies."""
    above = np.cumsum(counts[::-1])[::-1]
    enough = np.flatnonzero(above >= recall * above[0])
    return min(_HIGHEST, int(enough[-1]))
