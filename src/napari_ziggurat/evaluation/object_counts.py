"""Object counts: what of the objects was found, as sums from which the measures follow."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.evaluation.matching import IOU_THRESHOLDS, Matching
from napari_ziggurat.evaluation.partition import Partition

__all__ = ["ObjectCounts"]

_NONE = (0,) * len(IOU_THRESHOLDS)

Bins = tuple[NDArray[np.bool_], NDArray[np.bool_]]


@dataclass(frozen=True)
class ObjectCounts:
    """Objects found, invented, cut and run together; sums of many images are those of all.

    Attributes
    ----------
    truth, prediction : int
        Objects of the truth, and predicted ones.
    hits, false : tuple of int, one for each of `IOU_THRESHOLDS`
        Objects of the truth that have a partner, and predicted ones without.
    iou : float
        Sum of the IoU of partners, at a threshold of 0.5.
    splits, merges : int
        Objects of the truth in which two or more predicted ones mostly lie, and the reverse.
    partition : Partition
        Pairs of voxels and bits.
    """

    truth: int = 0
    prediction: int = 0
    hits: tuple[int, ...] = _NONE
    false: tuple[int, ...] = _NONE
    iou: float = 0.0
    splits: int = 0
    merges: int = 0
    partition: Partition = field(default_factory=Partition)

    @classmethod
    def of(cls, matching: Matching, bins: Bins | None = None) -> "ObjectCounts":
        """Count the objects of one image.

        Parameters
        ----------
        matching : Matching
            Of the image.
        bins : (bool array, bool array), optional
            Objects of the truth and predicted ones that count. One of the truth is found whatever
            the size of its partner; predicted ones are invented by their own size.
        """
        true, predicted = bins or (
            np.ones(len(matching.truth), np.bool_),
            np.ones(len(matching.prediction), np.bool_),
        )
        iou, back = matching.iou[true], matching.prediction_iou[predicted]
        return cls(
            truth=len(iou),
            prediction=len(back),
            hits=tuple(int(np.count_nonzero(iou >= t)) for t in IOU_THRESHOLDS),
            false=tuple(int(np.count_nonzero(back < t)) for t in IOU_THRESHOLDS),
            iou=float(iou.sum()),
            splits=int(np.count_nonzero(matching.split[true])),
            merges=int(np.count_nonzero(matching.merged[predicted])),
            partition=Partition.of(matching.pairs, _rows(matching, true)),
        )

    def __add__(self, other: "ObjectCounts") -> "ObjectCounts":
        return ObjectCounts(
            truth=self.truth + other.truth,
            prediction=self.prediction + other.prediction,
            hits=tuple(a + b for a, b in zip(self.hits, other.hits, strict=True)),
            false=tuple(a + b for a, b in zip(self.false, other.false, strict=True)),
            iou=self.iou + other.iou,
            splits=self.splits + other.splits,
            merges=self.merges + other.merges,
            partition=self.partition + other.partition,
        )

    @property
    def ap(self) -> tuple[float | None, ...]:
        """TP / (TP + FP + FN) at each of `IOU_THRESHOLDS`; None where there are no objects.

        This is what Cellpose and StarDist call average precision, and the 2018 Data Science Bowl
        before them. That of COCO is another one: it ranks objects by confidence.
        """
        return tuple(
            hits / (self.truth + false) if self.truth + false else None
            for hits, false in zip(self.hits, self.false, strict=True)
        )

    @property
    def mean_ap(self) -> float | None:
        """Mean of `ap` over the thresholds."""
        found = [value for value in self.ap if value is not None]
        return sum(found) / len(found) if len(found) == len(IOU_THRESHOLDS) else None

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN) at an IoU of 0.5."""
        return 2 * self.hits[0] / self._both_sides if self._both_sides else None

    @property
    def pq(self) -> float | None:
        """Panoptic quality: F1 times the mean IoU of partners (Kirillov 2018, arXiv 1801.00868)."""
        return 2 * self.iou / self._both_sides if self._both_sides else None

    @property
    def _both_sides(self) -> int:
        """2 TP + FP + FN."""
        return self.hits[0] + self.false[0] + self.truth


def _rows(matching: Matching, counted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pairs of the contingency whose object of the truth counts."""
    places = matching.truth.place(matching.pairs.truth)
    found = np.zeros(len(places), np.bool_)
    found[places >= 0] = counted[places[places >= 0]]
    return found
