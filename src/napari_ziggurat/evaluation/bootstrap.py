"""Bootstrap: how sure a difference between two results is that were scored on the same things."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Difference", "paired_bootstrap"]

_DRAWS = 1000
_INSIDE = (2.5, 97.5)  # per cent: an interval of 95 %

Measures = Mapping[str, float | None]


@dataclass(frozen=True)
class Difference:
    """How much better the second result is than the first in one measure.

    Attributes
    ----------
    first, second : float
        The measure of each.
    low, high : float
        Interval that holds ``second - first`` with a confidence of 95 %.
    """

    first: float
    second: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """The difference."""
        return self.second - self.first


def paired_bootstrap(
    count: int,
    first: Callable[[Sequence[int]], Measures],
    second: Callable[[Sequence[int]], Measures],
    seed: int = 0,
) -> dict[str, Difference]:
    """Compare two results on the same units, such as files, drawn with replacement.

    Both are scored on the same draws, so what makes a file hard for both cancels: the percentile
    interval of Efron (1979, doi:10.1214/aos/1176344552) on the difference.

    Parameters
    ----------
    count : int
        Units.
    first, second : callable
        Measures of a result on some of the units, which may be there several times.
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to Difference
        For each measure that both have on all units; draws without one of them are left out.
    """
    everything = range(count)
    (one, other) = (first(everything), second(everything))
    draws = np.random.default_rng(seed).integers(0, count, (_DRAWS, count)).tolist()
    drawn = [(first(draw), second(draw)) for draw in draws]
    found = {}
    for name, value in one.items():
        there = other.get(name)
        if value is not None and there is not None:
            pairs = [(a.get(name), b.get(name)) for a, b in drawn]
            found[name] = _difference(value, there, pairs)
    return found


def _difference(
    first: float, second: float, drawn: Sequence[tuple[float | None, float | None]]
) -> Difference:
    differences = [b - a for a, b in drawn if a is not None and b is not None]
    low, high = np.percentile(differences, _INSIDE)
    return Difference(first, second, float(low), float(high))
