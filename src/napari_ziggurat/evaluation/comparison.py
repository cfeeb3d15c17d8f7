"""Comparison: one class of one image, in the truth and in the prediction."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.evaluation.contingency import Contingency
from napari_ziggurat.evaluation.matching import Matching
from napari_ziggurat.evaluation.metrics import Overlap
from napari_ziggurat.evaluation.object_counts import ObjectCounts
from napari_ziggurat.evaluation.sizes import SIZE_NAMES, SizeBounds
from napari_ziggurat.evaluation.surface import Distances, ObjectBoxes, SurfaceScore

__all__ = ["Comparison", "Tally"]


@dataclass(frozen=True)
class Tally:
    """All that was counted of a class, as sums: those of many images are those of all.

    Attributes
    ----------
    overlap : Overlap
        In voxels.
    surface : SurfaceScore
        Of the surface of the class.
    objects : ObjectCounts
        Of its objects.
    """

    overlap: Overlap
    surface: SurfaceScore
    objects: ObjectCounts

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.overlap + other.overlap,
            self.surface + other.surface,
            self.objects + other.objects,
        )


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the truth and the prediction say of one class in one image.

    Attributes
    ----------
    value : int
        The class.
    pairs : Contingency
        Objects that meet; a class that is not divided into objects is one.
    dims : int
        Axes of the image.
    voxel_size : float
        Area or volume of a voxel.
    tolerance : float
        Distance up to which surfaces agree.
    distances : (Distances, Distances) or None
        From the surface of the truth to that of the prediction, and back; None where there were
        too many voxels.
    boxes : ObjectBoxes or None
        Of the objects of the truth; None where distances are.
    """

    value: int
    pairs: Contingency
    dims: int
    voxel_size: float
    tolerance: float
    distances: tuple[Distances, Distances] | None
    boxes: ObjectBoxes | None = None

    @cached_property
    def matching(self) -> Matching:
        """Which objects are the same."""
        return Matching(self.pairs)

    @property
    def truth_sizes(self) -> NDArray[np.float64]:
        """Area or volume of each object of the truth."""
        sizes: NDArray[np.float64] = self.matching.truth.voxels * np.float64(self.voxel_size)
        return sizes

    def tally(self) -> Tally:
        """Count everything."""
        true, predicted = self.pairs.truth != 0, self.pairs.prediction != 0
        chosen = [self.pairs.voxels[each].sum() for each in (true, predicted, true & predicted)]
        return Tally(
            Overlap(self.value, *map(int, chosen)),
            self._surface(),
            ObjectCounts.of(self.matching),
        )

    def tallies_by_size(self, bounds: SizeBounds) -> tuple[Tally, ...]:
        """Count small, medium and large objects apart.

        Objects of the truth count by their size. Voxels and surface of a predicted object count
        with the object of the truth in which most of it lies, or by its own size where it meets
        none; so the voxels of all sizes add up to those of the class.
        """
        true = bounds.bins(self.matching.truth.voxels, self.voxel_size)
        own = bounds.bins(self.matching.prediction.voxels, self.voxel_size)
        home = np.where(self.matching.home >= 0, _at(true, self.matching.home), own)
        return tuple(
            Tally(
                self._overlap_of(size, true, home),
                self._surface((true == size, home == size)),
                ObjectCounts.of(self.matching, (true == size, own == size)),
            )
            for size in range(len(SIZE_NAMES))
        )

    def _overlap_of(self, size: int, true: NDArray[np.int64], home: NDArray[np.int64]) -> Overlap:
        """Voxels of one size."""
        of_truth = _at(true, self.matching.truth.place(self.pairs.truth))
        of_prediction = _at(home, self.matching.prediction.place(self.pairs.prediction))
        truth = self._voxels(of_truth == size)
        both = self._voxels((of_truth == size) & (self.pairs.prediction != 0))
        invented = self._voxels((self.pairs.truth == 0) & (of_prediction == size))
        return Overlap(self.value, truth, both + invented, both)

    def _voxels(self, rows: NDArray[np.bool_]) -> int:
        return int(self.pairs.voxels[rows].sum())

    def _surface(
        self, counted: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None
    ) -> SurfaceScore:
        """Score the surface, or that of the objects that count."""
        if self.distances is None:
            return SurfaceScore()
        values = [each.values for each in self.distances]
        if counted is not None:
            sides = (self.matching.truth, self.matching.prediction)
            values = [
                d.values[_at(chosen.astype(np.int64), sizes.place(d.objects)) == 1]
                for d, sizes, chosen in zip(self.distances, sides, counted, strict=True)
            ]
        return SurfaceScore.of(values[0], values[1], self.tolerance)


def _at(values: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Take values at places; -1 where the place is -1."""
    return np.append(values, -1)[places]
