"""Audit: what was missed where nothing was computed, estimated from a random sample of it."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Audit", "draw"]

_SHARE = 0.01
_FEW, _SHARE_OF_FEW = 20, 0.05
_OUTSIDE = 0.05  # that an interval of 95 % leaves


def draw(count: int, seed: int) -> NDArray[np.int64]:
    """Choose which of so many rejected tiles are computed nevertheless, each equally likely.

    One per cent; of few tiles 20, as long as these are no more than five per cent; at least one.

    Returns
    -------
    array of int
        Places among the rejected tiles, in order.
    """
    few = min(_FEW, math.ceil(_SHARE_OF_FEW * count))
    size = max(math.ceil(_SHARE * count), few)
    return np.sort(np.random.default_rng(seed).choice(count, size, replace=False))


@dataclass(frozen=True)
class Audit:
    """Foreground in the tiles that were rejected and not drawn, from those that were drawn.

    Attributes
    ----------
    rejected : int
        Tiles that were rejected, those that were drawn among them.
    drawn : int
        Tiles that were computed nevertheless; their foreground is in the output.
    hit : int
        Of these, tiles with foreground.
    found : int
        Foreground voxels in all that was drawn.
    missed : float
        Foreground voxels that the output lacks; an estimate without bias.
    low, high : float
        Interval that holds them with a confidence of 95 %.
    tiles_high : int
        With the same confidence, no more of the tiles that were not computed have foreground.
    foreground : int
        Foreground voxels of the output.
    """

    rejected: int
    drawn: int
    hit: int
    found: int
    missed: float
    low: float
    high: float
    tiles_high: int
    foreground: int

    @classmethod
    def of(cls, rejected: int, drawn: Sequence[int], foreground: int, per_tile: float) -> "Audit":
        """Estimate from the foreground voxels of each tile that was drawn.

        Foreground in rejected tiles is rare, and a sample that has none of it has no spread to
        estimate from. So the upper end is the larger of Student's, and of as many tiles as may have
        been missed, each as full as those that were: as those drawn, or as those not rejected.

        Parameters
        ----------
        rejected : int
            Tiles that were rejected.
        drawn : sequence of int
            Foreground voxels of each tile that was drawn.
        foreground : int
            Foreground voxels of the whole output.
        per_tile : float
            Foreground voxels per tile that was not rejected.

        References
        ----------
        W. G. Cochran, Sampling Techniques, 1977, chapter 2; for the tiles J. S. Buonaccorsi,
        The American Statistician 41, 1987.
        """
        voxels = np.asarray(drawn, np.float64)
        left = rejected - len(voxels)
        hit = int(np.count_nonzero(voxels))
        missed = left * float(voxels.mean()) if len(voxels) else 0.0
        reach = _reach(rejected, voxels)
        tiles_high = _most_hit(rejected, len(voxels), hit) - hit
        full = float(voxels.sum()) / hit if hit else per_tile
        return cls(
            rejected, len(voxels), hit, int(voxels.sum()), missed, max(0.0, missed - reach),
            max(missed + reach, tiles_high * full), tiles_high, foreground,
        )  # fmt: skip

    def as_dict(self) -> dict[str, object]:
        """Give the numbers as JSON can hold them."""
        return asdict(self)

    def render(self) -> str:
        """Say it in words."""
        if not self.rejected:
            return "Everything was computed; nothing can have been missed."
        return (
            f"Audit: {self.drawn} of {self.rejected} rejected tiles were computed and {self.hit} "
            f"of them had foreground ({self.found} voxels). The output has {self.foreground} "
            f"foreground voxels and lacks about {self.missed:.0f} (95 % confidence: "
            f"{self.low:.0f} to {self.high:.0f}, in at most {self.tiles_high} tiles)."
        )


def _reach(rejected: int, voxels: NDArray[np.float64]) -> float:
    """Half an interval for a total, from Student's distribution and a finite population."""
    drawn = len(voxels)
    if drawn < 2:
        return 0.0
    from scipy import stats  # half a second, of which only a run with a gate has something

    error = math.sqrt(rejected * (rejected - drawn) * float(voxels.var(ddof=1)) / drawn)
    return float(stats.t.ppf(1 - _OUTSIDE / 2, drawn - 1)) * error


def _most_hit(rejected: int, drawn: int, hit: int) -> int:
    """Most tiles with foreground among those rejected that leave so few hits in a sample likely."""
    from scipy import stats

    low, high = hit, rejected - (drawn - hit)
    while low < high:  # the chance of so few hits falls with the number of tiles
        middle = -(-(low + high) // 2)
        likely = stats.hypergeom.cdf(hit, rejected, middle, drawn) > _OUTSIDE / 2
        low, high = (middle, high) if likely else (low, middle - 1)
    return low
