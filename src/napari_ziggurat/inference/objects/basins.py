"""Basins: voxels from which the steepest way down ends at the same deepest voxel.

From each voxel one step leads to the deepest of its neighbours of the same class, of equally deep
ones to the first in a scan of the image. So each step depends on a voxel and its neighbours alone,
and the basins of an image are the same however it is cut: a basin that leaves a block goes on in
the next one.

References
----------
Zlateski and Seung 2015, arXiv:1505.00249: watershed by steepest descent, for images of any size.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.inference.objects.components import Connectivity
from napari_ziggurat.inference.objects.depth import Depths, class_boxes
from napari_ziggurat.inference.objects.fragments import Ground

__all__ = ["Basins", "View", "find_basins"]

_PLACE_BITS = 31

Places = NDArray[np.int32]


@dataclass(frozen=True)
class View:
    """A block and what is seen around it.

    Attributes
    ----------
    ground : Ground
        The block.
    window : Box
        It and the voxels around it that are known; all of the image on a side where it ends.
    """

    ground: Ground
    window: Box

    @property
    def inner(self) -> Box:
        """The block, counted from the start of the window."""
        return self.ground.box.relative_to(self.window.start)

    def cut_layers(self) -> list[tuple[slice | int, ...]]:
        """Outermost layers of the window behind which the image goes on."""
        found: list[tuple[slice | int, ...]] = []
        for axis, (a, b, n) in enumerate(
            zip(self.window.start, self.window.stop, self.ground.shape, strict=True)
        ):
            ends = [0] * (a > 0) + [-1] * (b < n)
            found += [(*[slice(None)] * axis, end) for end in ends]
        return found

    def anchors(self, places: NDArray[Any]) -> NDArray[np.int64]:
        """Give the places of flat indices of the window in a scan of the whole image."""
        found = np.unravel_index(places, self.window.shape)
        around = Ground(self.window, self.ground.shape, self.ground.time)
        return around.anchor(tuple(each.astype(np.int64) for each in found))


@dataclass(frozen=True)
class Basins:
    """Parts of basins in a block.

    Attributes
    ----------
    fragments : ((Z), Y, X) uint32 array
        0 is background.
    bottoms : (N,) uint32 array
        The largest depth that is known of each.
    exits : (K,) int64 array
        Fragments whose deepest voxel is not in the block.
    targets : (K,) int64 array
        Where each goes on: a voxel of another block, as a place in a scan of the whole image.
    """

    fragments: NDArray[np.uint32]
    bottoms: Depths
    exits: NDArray[np.int64]
    targets: NDArray[np.int64]


def find_basins(
    classes: NDArray[Any], depths: Depths, view: View, connectivity: Connectivity
) -> Basins:
    """Find the parts of basins in a block.

    How much is seen around it decides how few parts there are, and not what they are parts of.

    Parameters
    ----------
    classes, depths : ((Z), Y, X) array
        Of the window.
    view : View
        Where the block lies.
    connectivity : {"full", "face"}
        Which voxels are neighbours.
    """
    known = _steps(classes, depths, connectivity)
    own = np.arange(known.size, dtype=np.int32).reshape(known.shape)
    for layer in view.cut_layers():  # what is next to them is not known
        known[layer] = own[layer]
    step: Places = known.reshape(-1)
    ends = _ends(step)
    block = np.zeros(classes.shape, bool)
    block[view.inner.slices] = True
    places = np.flatnonzero(block & (classes > 0)).astype(np.int32)
    fragments, bottoms = _numbered(ends, places)
    inside, deep = block.reshape(-1), depths.reshape(-1)
    leaving = places[~inside[step[places]] & ~inside[ends[places]]]
    exits, chosen = _deepest(fragments[leaving], step[leaving], deep)
    return Basins(
        np.ascontiguousarray(fragments.reshape(classes.shape)[view.inner.slices]),
        deep[bottoms],
        exits,
        view.anchors(chosen),
    )


def _steps(classes: NDArray[Any], depths: Depths, connectivity: Connectivity) -> Places:
    """Where the way down leads from each voxel, as flat indices; background stays where it is."""
    size = classes.size
    assert size < 2**_PLACE_BITS  # a block with more does not fit in memory
    places = np.arange(size, dtype=np.int32)
    keys = depths.astype(np.int64) << _PLACE_BITS
    keys |= (size - 1 - places).reshape(classes.shape)
    steps = places.reshape(classes.shape).copy()
    for value, box in class_boxes(classes):
        inside = classes[box] == value
        best = _largest_near(np.where(inside, keys[box], -1), connectivity)
        there = steps[box]
        there[inside] = size - 1 - (best[inside] & (2**_PLACE_BITS - 1))
    return steps


def _largest_near(keys: NDArray[np.int64], connectivity: Connectivity) -> NDArray[np.int64]:
    """Give the largest value among each voxel and its neighbours."""
    found = keys.copy()
    for axis in range(keys.ndim):
        known = found.copy() if connectivity == "full" else keys
        here, there = np.moveaxis(found, axis, 0), np.moveaxis(known, axis, 0)
        np.maximum(here[1:], there[:-1], out=here[1:])
        np.maximum(here[:-1], there[1:], out=here[:-1])
    return found


def _ends(step: Places) -> Places:
    """Follow the way from each voxel to where it ends."""
    while True:
        further = step[step]
        if np.array_equal(further, step):
            return step
        step = further


def _numbered(ends: Places, places: Places) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Give voxels of a block numbers by where their ways end, and these places."""
    number = np.zeros(ends.size, np.uint32)
    number[ends[places]] = 1
    bottoms = np.flatnonzero(number)
    number[bottoms] = np.arange(1, len(bottoms) + 1)
    fragments = np.zeros(ends.size, np.uint32)
    fragments[places] = number[ends[places]]
    return fragments, bottoms


def _deepest(
    fragments: NDArray[np.uint32], targets: Places, depths: Depths
) -> tuple[NDArray[np.int64], Places]:
    """Choose one target for each fragment: the one that comes first on a way down.

    The deepest is chosen, and of equally deep ones the first. Then the next block goes on deeper
    still, and following targets from block to block never leads back.
    """
    order = np.lexsort((targets, -depths[targets].astype(np.int64), fragments))
    found, first = np.unique(fragments[order], return_index=True)
    return found.astype(np.int64), targets[order][first]
