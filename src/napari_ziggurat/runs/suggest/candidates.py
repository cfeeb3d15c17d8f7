"""Candidates: the most uncertain spots, as many as are worth keeping, whatever there are."""

import heapq
from collections.abc import Callable

from napari_ziggurat.inference.spots import Spot

__all__ = ["Candidates"]

_MOST = 4096

_Key = tuple[float, tuple[int, ...]]


class Candidates:
    """Keeps the spots of the highest scores; which ones does not depend on their order.

    Parameters
    ----------
    accepts : callable
        Asked before a spot is kept, and only then: it may have to read.
    most : int
        How many are kept.
    """

    def __init__(self, accepts: Callable[[Spot], bool], most: int = _MOST) -> None:
        self._accepts = accepts
        self._most = most
        self._kept: list[tuple[_Key, Spot]] = []

    def offer(self, spot: Spot) -> None:
        """Keep a spot if it is among the best and accepted."""
        entry = (_key(spot), spot)
        full = len(self._kept) >= self._most
        if (full and entry[0] < self._kept[0][0]) or not self._accepts(spot):
            return
        if full:
            heapq.heappushpop(self._kept, entry)
        else:
            heapq.heappush(self._kept, entry)

    def best(self) -> tuple[Spot, ...]:
        """Give what is kept, the highest score first."""
        return tuple(spot for _, spot in sorted(self._kept, key=lambda e: e[0], reverse=True))


def _key(spot: Spot) -> _Key:
    """Order spots; of equal scores the first in the image is the best."""
    return spot.score, (-spot.time, *(-n for n in spot.box.start))
