"""Gathering: a comparison of one class, from blocks of an image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.evaluation.comparison import Comparison
from napari_ziggurat.evaluation.contingency import Contingency
from napari_ziggurat.evaluation.fragments import Fragments
from napari_ziggurat.evaluation.surface import Distances, ObjectBoxes, Points, SurfaceVoxels
from napari_ziggurat.geometry import Box

__all__ = ["Gathering", "ObjectKind", "grown"]

ObjectKind = Literal["ids", "components", "between"]
"""What an object is: each label, the pieces of a class, or the pieces between the labels."""

_FEW_PAIRS = 2**20  # that are kept before the blocks' own lists are joined


def grown(box: Box, shape: Sequence[int]) -> Box:
    """Give a box with one more voxel to each side where the image has one."""
    more = Box(tuple(a - 1 for a in box.start), tuple(b + 1 for b in box.stop))
    return more.intersect(Box.whole(shape))


@dataclass(frozen=True, eq=False)
class _Side:
    """Truth or prediction."""

    surface: SurfaceVoxels
    fragments: Fragments | None

    @classmethod
    def of(cls, shape: Sequence[int], kind: ObjectKind | None) -> "_Side":
        pieces = kind in ("components", "between")
        fragments = Fragments(shape, corners=kind == "components") if pieces else None
        return cls(SurfaceVoxels(shape), fragments)

    def objects(
        self, inside: NDArray[np.bool_], ids: NDArray[np.integer[Any]] | None, box: Box
    ) -> NDArray[np.int64]:
        """Object of each voxel of a block."""
        if self.fragments is not None:
            return self.fragments.label(inside, box)
        return inside.astype(np.int64) if ids is None else ids.astype(np.int64)

    def names(self) -> NDArray[np.int64] | None:
        return None if self.fragments is None else self.fragments.objects()


class Gathering:
    """Takes the blocks of one image, each once and in any order, and makes a comparison of them.

    Parameters
    ----------
    value : int
        The class.
    shape : sequence of int
        Of the image, ((Z), Y, X).
    spacing : sequence of float
        Size of a voxel.
    tolerance : float
        Distance up to which surfaces agree.
    kinds : (ObjectKind or None, ObjectKind or None)
        What an object is, in the truth and in the prediction; None where the class is one.
    """

    def __init__(
        self,
        value: int,
        shape: Sequence[int],
        spacing: Sequence[float],
        tolerance: float,
        kinds: tuple[ObjectKind | None, ObjectKind | None],
    ) -> None:
        self._value, self._spacing, self._tolerance = value, tuple(spacing), tolerance
        self._shape = tuple(shape)
        self._sides = tuple(_Side.of(shape, kind) for kind in kinds)
        self._parts: list[Contingency] = []

    def add(
        self,
        box: Box,
        inside: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        ids: tuple[NDArray[np.integer[Any]] | None, NDArray[np.integer[Any]] | None],
        keep: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take a block.

        Parameters
        ----------
        box : Box
            The block.
        inside : (bool array, bool array)
            Voxels of the class in the truth and in the prediction, in ``grown(box, shape)``.
        ids : (integer array or None, integer array or None)
            Ids in the block, for sides whose objects are ids.
        keep : ndarray of bool, shape of the block, optional
            Voxels that count.
        """
        outer = grown(box, self._shape)
        core = box.relative_to(outer.start).slices
        kept = np.ones(box.shape, np.bool_) if keep is None else keep
        found = []
        for side, mask, own in zip(self._sides, inside, ids, strict=True):
            objects = side.objects(mask[core], own, box)
            side.surface.add(mask, box, outer, objects, kept)
            found.append(objects)
        self._parts.append(Contingency.count(found[0], found[1], keep))
        if sum(map(len, self._parts[1:])) > max(_FEW_PAIRS, len(self._parts[0])):
            self._parts = [Contingency.join(self._parts)]

    def finish(self) -> Comparison:
        """Give the comparison, once all blocks were taken."""
        names = [side.names() for side in self._sides]
        points = None
        if not any(side.surface.too_many for side in self._sides):
            points = [s.surface.gathered(n) for s, n in zip(self._sides, names, strict=True)]
        return Comparison(
            value=self._value,
            pairs=Contingency.join(self._parts).renamed(names[0], names[1]),
            dims=len(self._shape),
            voxel_size=math.prod(self._spacing),
            tolerance=self._tolerance,
            distances=None if points is None else self._distances(points[0], points[1]),
            boxes=None if points is None else ObjectBoxes.of(*points[0][:2]),
        )

    def _distances(self, truth: Points, prediction: Points) -> tuple[Distances, Distances]:
        """Measure from each surface to the other."""
        return (
            Distances.between(truth, prediction[0], self._spacing),
            Distances.between(prediction, truth[0], self._spacing),
        )
