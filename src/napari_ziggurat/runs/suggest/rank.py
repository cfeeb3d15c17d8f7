"""Rank: which spots to take, and in what order: uncertain ones that are not alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.inference.spots import Spot
from napari_ziggurat.runs.plan.plan import SegmentPlan

__all__ = ["places", "rank"]

Values = NDArray[np.float64]


def rank(spots: Sequence[Spot], where: Values, count: int) -> list[Spot]:
    """Take the most uncertain spot, then each time the one of the largest score x root of novelty.

    The novelty of a spot is its distance to the nearest of those that were taken: the mean of how
    far away it lies and how different it looks, each between 0 and 1. The root lets a spot that is
    much more uncertain win against one that is new.

    Parameters
    ----------
    spots : sequence of Spot
        The highest score first.
    where : (spots, axes) array
        Where they lie, see `places`.
    count : int
        How many are wanted.
    """
    looks = _comparable(np.array([spot.look for spot in spots], np.float64))
    scores = np.array([spot.score for spot in spots], np.float64)
    novelty = np.ones(len(spots))
    taken: list[Spot] = []
    free = np.ones(len(spots), bool)
    while len(taken) < min(count, len(spots)):
        gains = np.where(free, scores * np.sqrt(novelty), -1.0)
        best = int(np.argmax(gains))  # of equal ones the first
        free[best] = False
        taken.append(spots[best])
        apart = (_distance(looks, best) + _distance(where, best)) / 2
        novelty = np.minimum(novelty, apart)
    return taken


def places(plan: SegmentPlan, spots: Sequence[Spot], count: int) -> Values:
    """Say where spots lie, in units of the distance that so many would have if spread evenly.

    Parameters
    ----------
    plan : SegmentPlan
        Of the level of the spots; they are spread over its region.
    spots : sequence of Spot
        At least one.
    count : int
        How many will be taken.

    Returns
    -------
    (spots, axes) array
        With a last axis of time.
    """
    size = np.array(plan.image.levels[plan.level].spacing.values)
    reach = (np.prod(size * plan.region.shape) / count) ** (1 / plan.region.ndim)
    centres = np.array([np.add(spot.box.start, spot.box.stop) / 2 for spot in spots])
    times = np.array([spot.time for spot in spots]) * count / plan.times
    return np.column_stack([centres * size / reach, times])


def _comparable(looks: Values) -> Values:
    """Give each property one spread, and two spots a distance of 1 on average."""
    spread = looks.std(axis=0)
    scaled = (looks - looks.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    counting = max(1, int(np.count_nonzero(spread > 1e-9)))
    comparable: Values = scaled / np.sqrt(2 * counting)
    return comparable


def _distance(values: Values, to: int) -> Values:
    distance: Values = np.minimum(1, np.linalg.norm(values - values[to], axis=1))
    return distance
