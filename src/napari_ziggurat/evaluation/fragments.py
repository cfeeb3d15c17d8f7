"""Fragments: connected components of an image that is seen block by block.

Each block labels its fragments. Voxels at the sides of the blocks are kept, and tell in the end
which fragments touch. No volume of labels is made, and the outcome is that of labelling the whole,
whatever the blocks were::

    +-----+-----+
    |  1 1|2 2  |   Fragments 1, 2 and 3 are one object, and 4 is another one, unless corners
    +-----+-----+   connect.
    |  3  |    4|
    +-----+-----+
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_ziggurat.geometry import Box

__all__ = ["Fragments"]

Ids = NDArray[np.int64]


class Fragments:
    """Names the connected components of one image; each block comes once, in any order.

    Parameters
    ----------
    shape : sequence of int
        Of the image, ((Z), Y, X).
    corners : bool
        Whether voxels that share only an edge or a corner are connected (26 neighbours in 3D
        instead of 6).
    """

    def __init__(self, shape: Sequence[int], *, corners: bool) -> None:
        self._shape = tuple(shape)
        self._reach = len(self._shape) if corners else 1
        self._count = 0
        self._first: list[Ids] = []
        self._side_voxels: list[Ids] = []
        self._side_names: list[Ids] = []

    def label(self, inside: NDArray[np.bool_], box: Box) -> Ids:
        """Name the fragments of a block.

        Parameters
        ----------
        inside : ndarray of bool, ((Z), Y, X)
            Voxels of the box that belong to objects.
        box : Box
            Where they are.

        Returns
        -------
        ndarray of int64, ((Z), Y, X)
            Names that no other block has; 0 where there is no object.
        """
        structure = ndimage.generate_binary_structure(box.ndim, self._reach)
        local, count = ndimage.label(inside, structure)
        names = np.where(local, local.astype(np.int64) + self._count, 0)
        self._first.append(self._first_voxels(local, count, box))
        self._count += count
        at_side = self._sides(box) & inside
        self._side_voxels.append(self._voxel_numbers(np.nonzero(at_side), box))
        self._side_names.append(names[at_side])
        return names

    def objects(self) -> Ids:
        """Tell which object each fragment belongs to, once all blocks were named.

        Returns
        -------
        ndarray of int64, (fragments + 1,)
            Objects are numbered from 1 in the order of their first voxels, as when the whole
            image is labelled at once. What is not object, 0, stays 0.
        """
        if not self._count:
            return np.zeros(1, np.int64)
        one, other = self._touching()
        graph = coo_array((np.ones(len(one), np.int8), (one - 1, other - 1)), (self._count,) * 2)
        count, found = connected_components(graph, directed=False)
        first = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(first, found, np.concatenate(self._first))
        rank = np.empty(count, np.int64)
        rank[np.argsort(first)] = np.arange(1, count + 1)
        return np.concatenate([[0], rank[found]])

    def _first_voxels(self, local: NDArray[np.int32], count: int, box: Box) -> Ids:
        """Find the first voxel of each fragment, in the order of the whole image."""
        flat = local.ravel()
        first = np.zeros(count + 1, np.int64)
        places = np.flatnonzero(flat)[::-1]
        first[flat[places]] = places  # of several the last one stays, which is the first voxel
        return self._voxel_numbers(np.unravel_index(first[1:], box.shape), box)

    def _voxel_numbers(self, places: Sequence[Ids], box: Box) -> Ids:
        whole = tuple(p.astype(np.int64) + a for p, a in zip(places, box.start, strict=True))
        return np.ravel_multi_index(whole, self._shape).astype(np.int64)

    def _sides(self, box: Box) -> NDArray[np.bool_]:
        """Voxels that have neighbours in other blocks."""
        at_side = np.zeros(box.shape, np.bool_)
        for axis in range(box.ndim):
            side = np.moveaxis(at_side, axis, 0)
            if box.start[axis] > 0:
                side[:1] = True
            if box.stop[axis] < self._shape[axis]:
                side[-1:] = True
        return at_side

    def _touching(self) -> tuple[Ids, Ids]:
        """Names of fragments that touch, pair by pair."""
        voxels = np.concatenate([np.empty(0, np.int64), *self._side_voxels])
        names = np.concatenate([np.empty(0, np.int64), *self._side_names])
        order = np.argsort(voxels)
        voxels, names = voxels[order], names[order]
        pairs = [_neighbours(voxels, names, self._shape, step) for step in self._steps()]
        one, other = np.concatenate([np.empty((2, 0), np.int64), *pairs], axis=1)
        return one, other

    def _steps(self) -> list[tuple[int, ...]]:
        """Half of the steps to a neighbour; the other half leads back."""
        steps = itertools.product((-1, 0, 1), repeat=len(self._shape))
        zero = (0,) * len(self._shape)
        return [s for s in steps if s > zero and sum(map(abs, s)) <= self._reach]


def _neighbours(
    voxels: Ids, names: Ids, shape: tuple[int, ...], step: tuple[int, ...]
) -> NDArray[np.int64]:
    """Names (2, pairs) of voxels that are one step apart; each pair of names once."""
    places = np.unravel_index(voxels, shape)
    moved = [p + s for p, s in zip(places, step, strict=True)]
    inside = np.all([(m >= 0) & (m < n) for m, n in zip(moved, shape, strict=True)], axis=0)
    wanted = np.ravel_multi_index(tuple(m[inside] for m in moved), shape)
    if not len(wanted):
        return np.empty((2, 0), np.int64)
    found = np.minimum(np.searchsorted(voxels, wanted), len(voxels) - 1)
    there = voxels[found] == wanted
    pairs = np.stack([names[inside][there], names[found[there]]])
    return np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)
