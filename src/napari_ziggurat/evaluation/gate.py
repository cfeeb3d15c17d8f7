"""Gate: how small a coarse probability may be where fine foreground is, learned from examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box, Upsampling

__all__ = ["RECALLS", "GateFit", "GateSample", "fit_gate", "fit_thresholds"]

RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 1.0)
"""Recalls that thresholds are fitted for."""

_JUDGED = 0.999  # recall by which radii are compared
_RADII = (0, 1, 2)
# Above one half the coarse pass itself would call a voxel foreground.
_HIGHEST = 0.5


@dataclass(frozen=True, eq=False)
class GateSample:
    """A volume of which both are known.

    Attributes
    ----------
    coarse : ((Z), Y, X) array
        Probability of foreground over the whole coarse level.
    upsampling : Upsampling
        From the coarse level to the fine one.
    foreground : ((Z), Y, X) array of bool
        Fine labels or predictions that are not background.
    start : tuple of int
        Where ``foreground`` begins in the fine level.
    """

    coarse: NDArray[np.floating]
    upsampling: Upsampling
    foreground: NDArray[np.bool_]
    start: tuple[int, ...]

    def around(self, radius: int) -> NDArray[np.float32]:
        """Give the largest coarse probability within so many coarse voxels of each."""
        size = 2 * radius + 1
        found: NDArray[np.float32] = ndimage.maximum_filter(
            np.asarray(self.coarse, np.float32), size, mode="nearest"
        )
        return found

    def values(self, radius: int) -> NDArray[np.float32]:
        """Give for each fine foreground voxel the largest coarse probability around it.

        A gate looks at the largest one around a whole tile, which is no smaller: it rejects no
        voxel that this would keep.
        """
        stop = tuple(a + n for a, n in zip(self.start, self.foreground.shape, strict=True))
        around = self.around(radius)
        fine = self.upsampling(around, (0,) * around.ndim, Box(self.start, stop))
        return np.asarray(fine[self.foreground], np.float32)


@dataclass(frozen=True)
class GateFit:
    """What was learned.

    Attributes
    ----------
    radius : int
        Coarse voxels around a place that count for it.
    thresholds : tuple of (recall, threshold)
        The largest threshold that keeps so much of the foreground.
    foreground : int
        Foreground voxels that they were learned from.
    """

    radius: int
    thresholds: tuple[tuple[float, float], ...]
    foreground: int


def fit_gate(samples: Sequence[GateSample]) -> GateFit:
    """Find thresholds, and the radius with which they leave out most.

    A larger radius forgives a coarse pass that is wrong about the place, and keeps more around
    what it sees.

    Raises
    ------
    InputError
        There is no foreground to learn from.
    """
    count = sum(int(np.count_nonzero(sample.foreground)) for sample in samples)
    if not count:
        raise InputError(
            "A gate is learned from foreground, and there is none in what was given; give an image "
            "or a box with some."
        )
    fits = {radius: _fitted(samples, radius) for radius in _RADII}
    radius = min(_RADII, key=lambda each: _kept(samples, each, dict(fits[each])[_JUDGED]))
    return GateFit(radius, fits[radius], count)


def _kept(samples: Sequence[GateSample], radius: int, threshold: float) -> float:
    """Share of the space that a threshold keeps."""
    return float(np.mean([np.mean(sample.around(radius) >= threshold) for sample in samples]))


def _fitted(samples: Sequence[GateSample], radius: int) -> tuple[tuple[float, float], ...]:
    return fit_thresholds(np.concatenate([sample.values(radius) for sample in samples]))


def fit_thresholds(
    values: NDArray[np.float32], recalls: Sequence[float] = RECALLS
) -> tuple[tuple[float, float], ...]:
    """Find for each recall the largest threshold that keeps so much of the foreground.

    Parameters
    ----------
    values : 1D array
        What `GateSample.values` gives; at least one.
    recalls : sequence of float
        Shares of the foreground voxels, from 0 to 1.

    Returns
    -------
    tuple of (recall, threshold)
        What is at least the threshold is kept; none is above one half.
    """
    falling = np.sort(values)[::-1]
    kept = [max(1, int(np.ceil(recall * len(falling)))) for recall in recalls]
    return tuple(
        (float(recall), min(_HIGHEST, float(falling[count - 1])))
        for recall, count in zip(recalls, kept, strict=True)
    )
