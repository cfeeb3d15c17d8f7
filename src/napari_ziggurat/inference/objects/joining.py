"""Joining: which fragments are one object, and the final number of each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Joining", "Numbered", "number_objects"]

_BATCH = 2**20
Numbers = NDArray[np.int64]


class Joining:
    """Union-find over fragments; holds one number for each.

    Pairs come in any order and many at a time. What belongs together points to the smallest of
    its fragments.

    Parameters
    ----------
    count : int
        Fragments, numbered from 0.
    """

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count, dtype=np.int64)

    def join(self, pairs: Numbers) -> None:
        """Join fragments (K, 2) with each other."""
        for start in range(0, len(pairs), _BATCH):
            self._join(self._root(pairs[start : start + _BATCH]))

    def roots(self) -> Numbers:
        """Give for each fragment the smallest one of its object."""
        while True:
            above = self._parents[self._parents]
            if np.array_equal(above, self._parents):
                return self._parents
            self._parents = above

    def _root(self, fragments: Numbers) -> Numbers:
        found = self._parents[fragments]
        while True:
            above = self._parents[found]
            if np.array_equal(above, found):
                self._parents[fragments] = found  # the next look takes one step
                return found
            found = above

    def _join(self, roots: Numbers) -> None:
        roots = roots[roots[:, 0] != roots[:, 1]]
        if not len(roots):
            return
        nodes, ends = np.unique(roots, return_inverse=True)
        rows, columns = ends.reshape(-1, 2).T
        graph = coo_array((np.ones(len(rows), bool), (rows, columns)), (len(nodes), len(nodes)))
        groups, group = connected_components(graph, directed=False)
        smallest = np.full(groups, np.iinfo(np.int64).max)
        np.minimum.at(smallest, group, nodes)
        self._parents[nodes] = smallest[group]


@dataclass(frozen=True)
class Numbered:
    """Final numbers of the objects.

    Attributes
    ----------
    ids : (N,) uint64 array
        Of each fragment; 0 where its object was too small.
    objects, removed, merged : int
        Objects that are left, that were too small, and those of the first that have several
        fragments.
    """

    ids: NDArray[np.uint64]
    objects: int
    removed: int
    merged: int


def number_objects(roots: Numbers, anchors: Numbers, voxels: Numbers, least: int) -> Numbered:
    """Give objects numbers from 1 on, in the order of their first voxels.

    Parameters
    ----------
    roots : (N,) int64 array
        Of each fragment, see `Joining.roots`.
    anchors : (N,) int64 array
        Place of the first voxel of each fragment in a scan of the image; no two are equal. It is
        changed.
    voxels : (N,) int64 array
        Voxels of each fragment.
    least : int
        Objects with fewer voxels are left out.
    """
    np.minimum.at(anchors, roots, anchors.copy())
    size = np.bincount(roots, voxels, len(roots))
    whole = np.flatnonzero(roots == np.arange(len(roots)))
    kept = whole[size[whole] >= least]
    merged = int((np.bincount(roots, minlength=len(roots))[kept] > 1).sum())
    ids = np.zeros(len(roots), np.uint64)
    ids[kept[np.argsort(anchors[kept])]] = np.arange(1, len(kept) + 1, dtype=np.uint64)
    return Numbered(ids[roots], len(kept), len(whole) - len(kept), merged)
