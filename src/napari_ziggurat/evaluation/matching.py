"""Matching: which predicted object is which object of the truth."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.evaluation.contingency import Contingency, Sizes

__all__ = ["IOU_THRESHOLDS", "Matching"]

IOU_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
"""Intersections over union at or above which two objects are the same."""

_LOWEST = IOU_THRESHOLDS[0]

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Matching:
    """Objects of the truth and predicted ones, each with its partner.

    With an IoU above one half an object has one partner at most, so there is nothing to optimise:
    the matching is that of Cellpose (Stringer 2021, doi:10.1038/s41592-020-01018-x) and StarDist
    (Schmidt 2018, doi:10.1007/978-3-030-00934-2_30) at all thresholds. At exactly one half an
    object may be cut into two equal parts, and one of them counts.

    Parameters
    ----------
    pairs : Contingency
        Of the whole image.
    """

    pairs: Contingency

    @cached_property
    def truth(self) -> Sizes:
        """Objects of the truth."""
        return self.pairs.truth_sizes

    @cached_property
    def prediction(self) -> Sizes:
        """Predicted objects."""
        return self.pairs.prediction_sizes

    @cached_property
    def partner(self) -> Places:
        """Place of the partner of each object of the truth; -1 without one. (objects,)."""
        truth, prediction, iou = self._meetings
        good = iou >= _LOWEST
        truth, prediction = truth[good], prediction[good]
        _, first = np.unique(truth, return_index=True)
        _, also_first = np.unique(prediction, return_index=True)
        kept = np.intersect1d(first, also_first)
        found = np.full(len(self.truth), -1, np.int64)
        found[truth[kept]] = prediction[kept]
        return found

    @cached_property
    def iou(self) -> Numbers:
        """IoU of each object of the truth with its partner; 0 without one. (objects,)."""
        return np.where(self.partner >= 0, self.best_iou, 0.0)

    @cached_property
    def best_iou(self) -> Numbers:
        """Largest IoU of each object of the truth with any predicted one. (objects,)."""
        truth, _, iou = self._meetings
        best = np.zeros(len(self.truth))
        np.maximum.at(best, truth, iou)
        return best

    @cached_property
    def prediction_iou(self) -> Numbers:
        """IoU of each predicted object with its partner; 0 without one. (predicted objects,)."""
        found = np.zeros(len(self.prediction))
        matched = self.partner >= 0
        found[self.partner[matched]] = self.iou[matched]
        return found

    @cached_property
    def home(self) -> Places:
        """Place in the truth where most of each predicted object lies; -1 where it meets none.

        Of two that hold the same number of its voxels it is the larger one.
        """
        truth, prediction, _ = self._meetings
        voxels = self._meeting_voxels
        order = np.lexsort((self.truth.voxels[truth], voxels, prediction))
        found = np.full(len(self.prediction), -1, np.int64)
        found[prediction[order]] = truth[order]  # of several the last one stays: the largest
        return found

    @cached_property
    def split(self) -> NDArray[np.bool_]:
        """Objects of the truth in which two or more predicted ones mostly lie. (objects,)."""
        truth, prediction, _ = self._meetings
        mostly = 2 * self._meeting_voxels > self.prediction.voxels[prediction]
        return _several(truth[mostly], len(self.truth))

    @cached_property
    def merged(self) -> NDArray[np.bool_]:
        """Predicted objects in which two or more of the truth mostly lie. (predicted objects,)."""
        truth, prediction, _ = self._meetings
        mostly = 2 * self._meeting_voxels > self.truth.voxels[truth]
        return _several(prediction[mostly], len(self.prediction))

    @cached_property
    def _both(self) -> NDArray[np.bool_]:
        both: NDArray[np.bool_] = (self.pairs.truth != 0) & (self.pairs.prediction != 0)
        return both

    @cached_property
    def _meeting_voxels(self) -> Places:
        return self.pairs.voxels[self._both]

    @cached_property
    def _meetings(self) -> tuple[Places, Places, Numbers]:
        """Places of objects that meet, and their IoU."""
        truth = self.truth.place(self.pairs.truth[self._both])
        prediction = self.prediction.place(self.pairs.prediction[self._both])
        shared = self._meeting_voxels
        union = self.truth.voxels[truth] + self.prediction.voxels[prediction] - shared
        return truth, prediction, shared / union


def _several(places: Places, count: int) -> NDArray[np.bool_]:
    """Tell which of so many places are named at least twice."""
    found: NDArray[np.bool_] = np.bincount(places, minlength=count) > 1
    return found
