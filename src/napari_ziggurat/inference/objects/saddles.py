"""Saddles: where basins meet; the deepest voxel pair between two of them is their neck."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from napari_ziggurat.inference.objects.basins import View
from napari_ziggurat.inference.objects.components import Connectivity
from napari_ziggurat.inference.objects.depth import Depths
from napari_ziggurat.inference.objects.seams import Step

__all__ = ["Saddles", "saddles_across", "saddles_within"]

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Saddles:
    """Places where two basins of one class touch.

    Attributes
    ----------
    pairs : (K, 2) int64 array
        The two.
    depths : (K,) uint32 array
        Depth of the shallower of the two voxels that touch.
    places : (K, 2) int64 array
        The two voxels in a scan of the whole image, the first one first.
    """

    pairs: Numbers
    depths: Depths
    places: Numbers

    def __len__(self) -> int:
        return len(self.depths)

    @classmethod
    def none(cls) -> "Saddles":
        """Give no saddle."""
        return cls(np.zeros((0, 2), np.int64), np.zeros(0, np.uint32), np.zeros((0, 2), np.int64))

    @classmethod
    def together(cls, parts: Sequence["Saddles"]) -> "Saddles":
        """Put several in one."""
        found = (cls.none(), *parts)
        return cls(
            np.concatenate([each.pairs for each in found]),
            np.concatenate([each.depths for each in found]),
            np.concatenate([each.places for each in found]),
        )

    def chosen(self, rows: NDArray[Any]) -> "Saddles":
        """Give some of them, in this order."""
        return Saddles(self.pairs[rows], self.depths[rows], self.places[rows])

    def renamed(self, names: Numbers) -> "Saddles":
        """Give basins other names; what lies within one is left out."""
        pairs = names[self.pairs]
        kept = pairs[:, 0] != pairs[:, 1]
        return Saddles(pairs[kept], self.depths[kept], self.places[kept])

    def strongest(self, count: int) -> "Saddles":
        """Give the deepest ones that connect all that is connected, deepest first.

        A saddle that closes a ring and is the shallowest on it never decides anything: what it
        could join has been joined, or kept apart at a deeper one. Which are equally deep goes by
        their places, so that the choice does not depend on blocks.

        Parameters
        ----------
        count : int
            Basins, numbered from 0.
        """
        order = np.lexsort((self.places[:, 1], self.places[:, 0], -self.depths.astype(np.int64)))
        low, high = self.pairs.min(1)[order], self.pairs.max(1)[order]
        _, first = np.unique(low * count + high, return_index=True)
        ranks = np.sort(first)
        weights = np.arange(1.0, len(ranks) + 1)
        # scipy 1.14 takes 32 bits alone, which are basins for 100 GB.
        ends = (low[ranks].astype(np.int32), high[ranks].astype(np.int32))
        graph = coo_array((weights, ends), (count, count))
        tree = minimum_spanning_tree(graph.tocsr())
        return self.chosen(order[ranks[np.sort(tree.data).astype(np.int64) - 1]])


def saddles_within(
    fragments: NDArray[np.uint32],
    classes: NDArray[Any],
    depths: Depths,
    view: View,
    connectivity: Connectivity,
) -> Saddles:
    """List where the basins of a block touch each other, each pair once.

    Parameters
    ----------
    fragments, classes, depths : ((Z), Y, X) array
        Of the block.
    view : View
        Where it lies.
    connectivity : {"full", "face"}
        Whether voxels touch by edges and corners, too.
    """
    parts = []
    for shift in _shifts(fragments.ndim, connectivity):
        here, there = _cut(shift, -1), _cut(shift, 1)
        meet = (
            (fragments[here] != fragments[there])
            & (fragments[here] > 0)
            & (classes[here] == classes[there])
        )
        places = np.nonzero(meet)
        pairs = np.stack([fragments[here][places], fragments[there][places]], 1).astype(np.int64)
        near = [
            p.astype(np.int64) + (part.start or 0) for p, part in zip(places, here, strict=True)
        ]
        far = [p + s for p, s in zip(near, shift, strict=True)]
        ends = np.stack([view.ground.anchor(tuple(near)), view.ground.anchor(tuple(far))], 1)
        found = np.minimum(depths[here][places], depths[there][places])
        parts.append(Saddles(pairs - 1, found, ends))
    return Saddles.together(parts)


def saddles_across(near: "Side", far: "Side", connectivity: Connectivity) -> Saddles:
    """List where the basins of two blocks touch across their seam.

    Parameters
    ----------
    near, far : Side
        What two blocks show each other, of one shape.
    connectivity : {"full", "face"}
        Whether voxels touch by edges and corners, too.
    """
    shifts = (-1, 0, 1) if connectivity == "full" else (0,)
    parts = []
    for shift in product(shifts, repeat=near.fragments.ndim):
        here, there = near.cut(_cut(shift, -1)), far.cut(_cut(shift, 1))
        a, b = here.fragments, there.fragments
        meet = (a >= 0) & (b >= 0) & (here.classes == there.classes)
        ends = np.sort(np.stack([here.places[meet], there.places[meet]], 1), axis=1)
        found = np.minimum(here.depths[meet], there.depths[meet])
        parts.append(Saddles(np.stack([a[meet], b[meet]], 1), found, ends))
    return Saddles.together(parts)


@dataclass(frozen=True)
class Side:
    """Voxels that a block shows to a neighbour.

    Attributes
    ----------
    fragments : int64 array
        Numbers of fragments; below 0 for background.
    classes, depths : array
    places : int64 array
        In a scan of the whole image.
    """

    fragments: Numbers
    classes: NDArray[Any]
    depths: Depths
    places: Numbers

    def cut(self, part: tuple[slice, ...]) -> "Side":
        """Give a part of them."""
        return Side(self.fragments[part], self.classes[part], self.depths[part], self.places[part])


def _shifts(dims: int, connectivity: Connectivity) -> Iterator[Step]:
    """Give the steps to the neighbours of a voxel that come later in a scan."""
    for shift in product((-1, 0, 1), repeat=dims):
        moved = [s for s in shift if s]
        if moved and moved[0] == 1 and (connectivity == "full" or len(moved) == 1):
            yield shift


def _cut(shift: Step, sign: int) -> tuple[slice, ...]:
    """Give the voxels that have a partner a shift away (sign -1), or the partners (1)."""
    return tuple(slice(max(0, s * sign), min(0, s * sign) or None) for s in shift)
