"""Gate: how small a coarse probability may be where fine foreground is, learned from examples."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ziggurat.geometry import Box, Upsampling

__all__ = ["RECALLS", "fit_thresholds", "gate_values"]

RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 1.0)
"""Recalls that thresholds are fitted for."""

# Above one half the coarse pass itself would call a voxel foreground.
_HIGHEST = 0.5


def gate_values(
    coarse: NDArray[np.floating],
    upsampling: Upsampling,
    foreground: NDArray[np.bool_],
    radius: int,
    start: tuple[int, ...] | None = None,
) -> NDArray[np.float32]:
    """Give, for each fine foreground voxel, the largest coarse probability around it.

    A gate looks at the largest one around a whole tile, which is no smaller: it rejects no voxel
    that this would keep.

    Parameters
    ----------
    coarse : ((Z), Y, X) array
        Probability of foreground over the whole coarse level.
    upsampling : Upsampling
        From the coarse level to the fine one.
    foreground : ((Z), Y, X) array of bool
        Fine labels or predictions that are not background.
    radius : int
        Coarse voxels around each that count.
    start : tuple of int, optional
        Where ``foreground`` begins in the fine level; at its origin by default.

    Returns
    -------
    1D float32 array
        One value per foreground voxel; those of several volumes may be joined.
    """
    around = ndimage.maximum_filter(
        np.asarray(coarse, np.float32), size=2 * radius + 1, mode="nearest"
    )
    corner = start or (0,) * foreground.ndim
    whole = Box(corner, tuple(a + n for a, n in zip(corner, foreground.shape, strict=True)))
    values = upsampling(around, (0,) * around.ndim, whole)[foreground]
    return np.asarray(values, np.float32)


def fit_thresholds(
    values: NDArray[np.float32], recalls: Sequence[float] = RECALLS
) -> tuple[tuple[float, float], ...]:
    """Find for each recall the largest threshold that keeps so much of the foreground.

    Parameters
    ----------
    values : 1D array
        What `gate_values` gives; at least one.
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
