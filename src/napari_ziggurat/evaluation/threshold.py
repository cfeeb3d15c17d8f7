"""Threshold: how well a class can be told from all the rest by its grey value alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["threshold_dice"]


def threshold_dice(
    image: NDArray[np.unsignedinteger],
    labels: NDArray[np.integer],
    values: Sequence[int],
    keep: NDArray[np.bool_] | None = None,
) -> dict[int, float]:
    """Find the best Dice that one global threshold reaches for each class.

    Every threshold is tried, once with the bright voxels as the class and once with the dark ones.
    The best is chosen with the truth in hand, so no automatic threshold can do better.

    Parameters
    ----------
    image : ndarray of unsigned integers
        Grey values.
    labels : ndarray of integers, shape of ``image``
        The truth.
    values : sequence of int
        Classes to look for.
    keep : ndarray of bool, shape of ``image``, optional
        Voxels that count.

    Returns
    -------
    dict of int to float
        Dice for each value; 0 for a class that is not there.
    """
    inside = np.ones(image.shape, np.bool_) if keep is None else keep
    everything = _histogram(image, inside)
    return {
        value: _best(_histogram(image, inside & (labels == value)), everything) for value in values
    }


def _histogram(image: NDArray[np.unsignedinteger], where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count voxels per grey value, plane by plane: counting turns each into eight bytes."""
    steps = int(image.max(initial=0)) + 1
    counts = np.zeros(steps, np.int64)
    for plane, inside in zip(np.atleast_3d(image), np.atleast_3d(where), strict=True):
        counts += np.bincount(plane[inside], minlength=steps)
    return counts


def _best(own: NDArray[np.int64], everything: NDArray[np.int64]) -> float:
    """Best Dice over thresholds; ``own`` and ``everything`` count voxels per grey value."""
    size = own.sum()
    if size == 0:
        return 0.0
    scores = [
        2 * np.cumsum(hits) / (np.cumsum(found) + size)
        for hits, found in ((own, everything), (own[::-1], everything[::-1]))
    ]
    return float(np.max(scores))
