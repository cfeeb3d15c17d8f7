"""Merging: which basins are one object; the splitting strength decides it, neck by neck."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.inference.objects.depth import Depths
from napari_ziggurat.inference.objects.saddles import Saddles

__all__ = ["DOUBT", "Merging", "Necks", "merge_basins"]

DOUBT = 0.1
"""A neck is doubtful where another splitting strength, so far away, would decide otherwise."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Necks:
    """Where two parts touch, and what was decided.

    Attributes
    ----------
    saddles : Saddles
        Basins of both parts, the depth, and the two voxels.
    ratio : (K,) float64 array
        Depth of the neck, divided by that of the shallower of the two parts; 1 where that is
        hardly deeper than the neck.
    cut : (K,) bool array
        The two parts are two objects.
    """

    saddles: Saddles
    ratio: NDArray[np.float64]
    cut: NDArray[np.bool_]

    def chosen(self, rows: NDArray[np.bool_]) -> "Necks":
        """Give some of them."""
        return Necks(self.saddles.chosen(rows), self.ratio[rows], self.cut[rows])


@dataclass(frozen=True)
class Merging:
    """What belongs together.

    Attributes
    ----------
    joined : (K, 2) int64 array
        Pairs of basins that are one object.
    necks : Necks
        All places where something was decided, deepest first.
    split : float
        The splitting strength.
    """

    joined: Numbers
    necks: Necks
    split: float

    def renamed(self, names: Numbers) -> "Merging":
        """Give basins other names."""
        saddles = self.necks.saddles
        named = Saddles(names[saddles.pairs], saddles.depths, saddles.places)
        necks = Necks(named, self.necks.ratio, self.necks.cut)
        return Merging(names[self.joined], necks, self.split)

    @property
    def doubtful(self) -> Necks:
        """Necks where a splitting strength that is a little different decides otherwise."""
        ratio = self.necks.ratio
        return self.necks.chosen((ratio < 1) & (np.abs(ratio - self.split) < DOUBT))


def merge_basins(saddles: Saddles, bottoms: Depths, split: float, least: int) -> Merging:
    """Decide, from the deepest saddle to the shallowest, which basins are one object.

    Two parts stay apart where their neck is shallow: at most ``split`` times as deep as the
    shallower of the two parts, and shallower than that by more than ``least``. With 0 all that
    touches is one object; with 1 all but what is no deeper than its neck stays apart.

    Parameters
    ----------
    saddles : Saddles
        Of basins that are numbered from 0.
    bottoms : (N,) uint32 array
        Depth of each basin.
    split : float
        Splitting strength, from 0 to 1.
    least : int
        How much deeper than its neck a part has to be.
    """
    chain = saddles.strongest(len(bottoms))
    ratio, cut = _decide(chain, bottoms, split, least)
    return Merging(chain.pairs[~cut], Necks(chain, ratio, cut), split)


def _decide(
    chain: Saddles, bottoms: Depths, split: float, least: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Go along the saddles; every one of them connects two parts that were not connected."""
    above, deep = list(range(len(bottoms))), bottoms.tolist()
    ratio, cut = np.ones(len(chain)), np.zeros(len(chain), bool)
    pairs = chain.pairs.T.tolist()
    ends = zip(*pairs, chain.depths.tolist(), strict=True)
    for row, (a, b, depth) in enumerate(ends):
        while above[a] != a:
            above[a] = a = above[above[a]]
        while above[b] != b:
            above[b] = b = above[above[b]]
        shallow, other = (a, b) if deep[a] <= deep[b] else (b, a)
        lowest = deep[shallow]
        if depth + least < lowest:
            ratio[row] = depth / lowest
            cut[row] = ratio[row] <= split
        if not cut[row]:
            above[shallow] = other
    return ratio, cut
