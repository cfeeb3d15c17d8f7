"""Surface: how far the surface of a prediction is from that of the truth, in physical units.

Distances are exact for any division into blocks: the voxels of both surfaces are gathered block by
block, and each looks for the nearest one of the other surface in a k-d tree.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_ziggurat.geometry import Box

__all__ = ["MOST_POINTS", "Distances", "ObjectBoxes", "Points", "SurfaceScore", "SurfaceVoxels"]

MOST_POINTS = 20_000_000
"""Voxels of one surface above which distances are not computed: about 2 GB in the tree."""

_PERCENTILE = 95
_ROUNDING = 1e-9

Numbers = NDArray[np.float64]
Ids = NDArray[np.int64]
Points = tuple[NDArray[np.int64], Ids, NDArray[np.bool_]]
"""Places (points, axes) in voxels, objects (points,), and which of them count (points,)."""


class SurfaceVoxels:
    """Voxels of one side of a comparison that have a neighbour outside, gathered by blocks.

    Voxels at the end of the image have one, as in MONAI and in the surface-distance package.

    Parameters
    ----------
    shape : sequence of int
        Of the image, ((Z), Y, X).
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self._shape = tuple(shape)
        self._parts: list[NDArray[np.int64]] = []
        self.count = 0

    def add(
        self, inside: NDArray[np.bool_], box: Box, outer: Box, objects: Ids, keep: NDArray[np.bool_]
    ) -> None:
        """Take a block.

        Parameters
        ----------
        inside : ndarray of bool, ((Z), Y, X)
            What has the surface, in ``outer``.
        box, outer : Box
            The block, and the same with one more voxel to each side where the image has one.
        objects : ndarray of int64, shape of the block
            Object of each voxel.
        keep : ndarray of bool, shape of the block
            Voxels that count; the surface goes on in the others.
        """
        core = box.relative_to(outer.start).slices
        surface = (inside & ~ndimage.binary_erosion(inside))[core]
        places = np.nonzero(surface)
        self.count += len(places[0])
        if self.count > MOST_POINTS:
            self._parts.clear()
            return
        whole = tuple(p + a for p, a in zip(places, box.start, strict=True))
        numbers = np.ravel_multi_index(whole, self._shape).astype(np.int64)
        self._parts.append(np.stack([numbers, objects[surface], keep[surface].astype(np.int64)]))

    @property
    def too_many(self) -> bool:
        """There are more than `MOST_POINTS`, and none was kept."""
        return self.count > MOST_POINTS

    def gathered(self, names: Ids | None) -> Points:
        """Give all voxels of the surface.

        Parameters
        ----------
        names : ndarray of int64 or None
            The new id of an object at the place of the old one; None where ids stay.
        """
        numbers, objects, keep = np.concatenate([np.empty((3, 0), np.int64), *self._parts], axis=1)
        places = np.stack(np.unravel_index(numbers, self._shape), axis=1)
        return places, objects if names is None else names[objects], keep.astype(np.bool_)


@dataclass(frozen=True, eq=False)
class Distances:
    """How far each voxel of one surface is from the other surface; infinite where that is empty.

    Attributes
    ----------
    values : ndarray of float64, (points,)
        In the unit of the spacing.
    objects : ndarray of int64, (points,)
        Object that each belongs to.
    """

    values: Numbers
    objects: Ids

    @classmethod
    def between(
        cls, points: Points, others: NDArray[np.int64], spacing: Sequence[float]
    ) -> "Distances":
        """Measure from points, as `SurfaceVoxels.gathered` gives them, to others."""
        places, objects, keep = points
        if not len(others):
            values = np.full(int(keep.sum()), np.inf)
        else:
            values = cKDTree(others * np.asarray(spacing)).query(places[keep] * spacing)[0]
        return cls(np.asarray(values, np.float64), objects[keep])


@dataclass(frozen=True, eq=False)
class ObjectBoxes:
    """Where objects are.

    Attributes
    ----------
    ids : ndarray of int64, (objects,)
        Sorted; objects that have no voxel at the surface of their class are not there.
    start, stop : ndarray of int64, (objects, axes)
        The boxes that hold them.
    """

    ids: Ids
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    @classmethod
    def of(cls, places: NDArray[np.int64], objects: Ids) -> "ObjectBoxes":
        """Find the boxes from voxels of a surface, (points, axes), and their objects."""
        order = np.argsort(objects, kind="stable")
        ids, first = np.unique(objects[order], return_index=True)
        if not len(ids):
            return cls(ids, places[:0], places[:0])
        start = np.minimum.reduceat(places[order], first, axis=0)
        return cls(ids, start, np.maximum.reduceat(places[order], first, axis=0) + 1)

    def box(self, name: int) -> Box | None:
        """Give the box of an object; None for one that is not there."""
        place = int(np.searchsorted(self.ids, name))
        if place == len(self.ids) or self.ids[place] != name:
            return None
        return Box(tuple(self.start[place].tolist()), tuple(self.stop[place].tolist()))


@dataclass(frozen=True)
class SurfaceScore:
    """Agreement of surfaces; sums of many images are those of all.

    Attributes
    ----------
    within, points : int
        Voxels of both surfaces, and of these such as are within the tolerance of the other.
    hausdorff, images : float, int
        Sum over images of the 95 % Hausdorff distance, and number of these images.
    one_sided : int
        Images in which only one side has a surface; they have no Hausdorff distance.
    """

    within: int = 0
    points: int = 0
    hausdorff: float = 0.0
    images: int = 0
    one_sided: int = 0

    @classmethod
    def of(cls, truth: Numbers, prediction: Numbers, tolerance: float) -> "SurfaceScore":
        """Score distances of one image, from the truth to the prediction and back."""
        both = np.concatenate([truth, prediction])
        if not len(both):
            return cls()
        # 3 * 0.1 - 2 * 0.1 is a little more than 0.1, and still one voxel
        within = int(np.count_nonzero(both <= tolerance * (1 + _ROUNDING)))
        if not np.isfinite(both).all():
            return cls(within, len(both), one_sided=1)
        furthest = max(float(np.percentile(d, _PERCENTILE)) for d in (truth, prediction) if len(d))
        return cls(within, len(both), furthest, 1)

    def __add__(self, other: "SurfaceScore") -> "SurfaceScore":
        (mine, theirs) = (astuple(self), astuple(other))
        return SurfaceScore(*(a + b for a, b in zip(mine, theirs, strict=True)))

    @property
    def surface_dice(self) -> float | None:
        """Share of both surfaces within the tolerance (Nikolov 2018, arXiv 1809.04430)."""
        return self.within / self.points if self.points else None

    @property
    def hausdorff95(self) -> float | None:
        """Mean over images of the 95 % Hausdorff distance, in the unit of the spacing.

        In one image: the larger one, of both directions, of the distances that 95 % of the surface
        do not exceed.
        """
        return self.hausdorff / self.images if self.images else None
