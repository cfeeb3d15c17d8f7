"""Instance targets: boundary and normalised distance of objects, in physical units.

A network that learns both beside the class of each voxel can tell objects that touch (boundary and
distance as in arXiv 1802.10548 and arXiv 1511.01631, equation 1).

The targets code 0 = unknown, and 1 to 255 for 0 to 1, as class targets code 0 for ignored: what
augmentation pads with is then unknown, and one byte per voxel suffices.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ziggurat.classes import EXPLICIT_BACKGROUND
from napari_ziggurat.geometry import Box

__all__ = ["context", "decoded", "shape_targets"]

_FULL = 254  # steps from 0 to 1
_FALSE, _TRUE = 1, 1 + _FULL
# All of these are multiples of the finest spacing.
_RIM = 1.5  # an object's voxels that are so near to its outside are boundary
_GAP = 2.0  # and background that is so near to two objects
_STROKES_APART = 12.0  # strokes in two objects that are so near have their boundary between them
_SEEN = 32.0  # objects are looked at so far beyond what is asked for

Ids = NDArray[np.integer[Any]]
Slices = tuple[slice, ...]


def shape_targets(
    ids: Ids, spacing: Sequence[float], *, dense: bool, by_plane: bool = False
) -> NDArray[np.uint8]:
    """Make the targets of the shape channels.

    Where labels are dense, an object's voxels are boundary that are at most 1.5 voxels of the
    finest axis away from its outside, or have a neighbour in another object; and so is background
    that is at most 2 such voxels away from two objects. Their distance is that to the nearest
    voxel outside of their object, divided by the largest one in it. The end of the array is no
    border of an object; the distance in an object that fills the array is unknown.

    Of strokes, those in objects are no boundary, but where another one is at most 2 voxels of the
    finest axis away. Those of background are, where the way over them from a stroke in one object
    to one in another is at most 12 such voxels long; they are none where no object's stroke is so
    near. All else is unknown, and so are distances.

    Parameters
    ----------
    ids : ((Z), Y, X) array of int
        Dense: 0 is background. Else: 0 is unlabelled and 255 background.
    spacing : sequence of float
        Voxel size per axis of the array.
    dense : bool
        Every voxel is labelled.
    by_plane : bool
        Each plane (Y, X) is looked at by itself, as networks over planes see it.

    Returns
    -------
    (2, (Z), Y, X) uint8 array
        Boundary and distance: 0 unknown, 1 to 255 for 0 to 1.
    """
    if by_plane:
        planes = [shape_targets(each, spacing[1:], dense=dense) for each in ids]
        return np.stack(planes, axis=1)
    numbers = _numbered(ids, dense=dense)
    return np.stack(_of_objects(numbers, spacing) if dense else _of_strokes(ids, numbers, spacing))


def context(spacing: Sequence[float]) -> tuple[int, ...]:
    """Voxels per axis around a box that have a say in the targets of objects at its rim."""
    return tuple(math.ceil(_SEEN * min(spacing) / each) for each in spacing)


def decoded(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give targets as numbers from 0 to 1; what is unknown becomes NaN."""
    values = (codes.astype(np.float32) - _FALSE) / _FULL
    return np.where(codes > 0, values, np.float32(np.nan))


class _Nearest:
    """How far the two nearest objects are from each voxel, its own aside; infinite beyond a reach.

    Attributes
    ----------
    first, second : ((Z), Y, X) float32 array
        In the unit of the spacing.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.first = np.full(shape, np.inf, np.float32)
        self.second = np.full(shape, np.inf, np.float32)

    def add(self, here: Slices, mask: NDArray[np.bool_], spacing: Sequence[float]) -> None:
        """Take an object into account, and what lies around it."""
        away = ndimage.distance_transform_edt(~mask, spacing).astype(np.float32)
        away[mask] = np.inf
        first, second = self.first[here], self.second[here]
        np.minimum(second, np.maximum(first, away), out=second)
        np.minimum(first, away, out=first)


def _of_objects(
    numbers: NDArray[np.int32], spacing: Sequence[float]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rim, gap = _RIM * min(spacing), _GAP * min(spacing)
    nearest, boundary = _Nearest(numbers.shape), _touching(numbers)
    distance = np.full(numbers.shape, _FALSE, np.uint8)
    for here, mask in _objects(numbers, spacing, gap):
        nearest.add(here, mask, spacing)
        if mask.all():
            distance[here] = 0
            continue
        inside = ndimage.distance_transform_edt(mask, spacing)
        boundary[here] |= mask & (inside <= rim)
        distance[here][mask] = _FALSE + np.rint(_FULL * inside[mask] / inside.max())
    boundary |= (nearest.second <= gap) & (numbers == 0)
    return np.where(boundary, np.uint8(_TRUE), np.uint8(_FALSE)), distance


def _of_strokes(
    ids: Ids, numbers: NDArray[np.int32], spacing: Sequence[float]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    apart, nearest = _STROKES_APART * min(spacing), _Nearest(numbers.shape)
    for here, mask in _objects(numbers, spacing, apart):
        nearest.add(here, mask, spacing)
    background = ids == EXPLICIT_BACKGROUND
    boundary = np.zeros(numbers.shape, np.uint8)
    boundary[(numbers > 0) & (nearest.first > _GAP * min(spacing))] = _FALSE
    boundary[background & (nearest.first > apart)] = _FALSE
    boundary[background & (nearest.first + nearest.second <= apart)] = _TRUE
    return boundary, np.zeros(numbers.shape, np.uint8)


def _numbered(ids: Ids, *, dense: bool) -> NDArray[np.int32]:
    """Give the objects numbers from 1, however large their ids are; 0 is everything else."""
    values, places = np.unique(ids, return_inverse=True)
    silent = (0,) if dense else (0, EXPLICIT_BACKGROUND)
    objects = ~np.isin(values, silent)
    table = np.where(objects, np.cumsum(objects), 0).astype(np.int32)
    return table[places.reshape(ids.shape)]


def _objects(
    numbers: NDArray[np.int32], spacing: Sequence[float], reach: float
) -> Iterator[tuple[Slices, NDArray[np.bool_]]]:
    """Give each object with what is around it: where that lies, and which voxels it has there."""
    margin = tuple(max(1, math.ceil(reach / each)) for each in spacing)
    whole = Box.whole(numbers.shape)
    for number, found in enumerate(ndimage.find_objects(numbers), 1):
        box = Box(tuple(s.start for s in found), tuple(s.stop for s in found))
        here = box.grow(margin).intersect(whole).slices
        yield here, numbers[here] == number


def _touching(numbers: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which voxels share a face with another object, however thick they are."""
    found = np.zeros(numbers.shape, bool)
    for axis in range(numbers.ndim):
        low, high = (_cut(axis, part) for part in (slice(None, -1), slice(1, None)))
        one, other = numbers[low], numbers[high]
        differ = (one != other) & (one > 0) & (other > 0)
        found[low] |= differ
        found[high] |= differ
    return found


def _cut(axis: int, part: slice) -> Slices:
    return (*[slice(None)] * axis, part)
