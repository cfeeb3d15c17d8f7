"""Contingency: how many voxels each object of the truth shares with each predicted one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Contingency", "Sizes"]

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sizes:
    """Objects with their voxels, sorted by id; background (0) is none of them.

    Attributes
    ----------
    ids, voxels : ndarray of int64, (objects,)
    """

    ids: Ids
    voxels: Ids

    def __len__(self) -> int:
        return len(self.ids)

    def place(self, ids: Ids) -> Ids:
        """Tell where ids stand; -1 for background and for what is not there."""
        if not len(self.ids):
            return np.full(len(ids), -1, np.int64)
        found = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[found] == ids, found, -1)


@dataclass(frozen=True, eq=False)
class Contingency:
    """Pairs of objects that meet, with the voxels they share; id 0 is background.

    Only pairs that meet are kept, so memory grows with the objects and not with the voxels. Those
    of all blocks joined are that of the image, whatever the blocks were.

    Attributes
    ----------
    truth, prediction : ndarray of int64, (pairs,)
        Ids of each pair; sorted, each pair once.
    voxels : ndarray of int64, (pairs,)
        Voxels that the two share.
    """

    truth: Ids
    prediction: Ids
    voxels: Ids

    @classmethod
    def count(
        cls,
        truth: NDArray[np.integer[Any]],
        prediction: NDArray[np.integer[Any]],
        keep: NDArray[np.bool_] | None = None,
    ) -> "Contingency":
        """Count the voxels of one block.

        Parameters
        ----------
        truth, prediction : ndarray of integers, ((Z), Y, X)
            Ids that fit in int64.
        keep : ndarray of bool, ((Z), Y, X), optional
            Only voxels where this is true count.
        """
        true, predicted = (
            each.ravel() if keep is None else each[keep] for each in (truth, prediction)
        )
        if not len(true):
            return cls.join([])
        # neighbours in a row mostly belong to the same pair: far fewer runs than voxels to sort
        changes = (true[1:] != true[:-1]) | (predicted[1:] != predicted[:-1])
        starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
        lengths = np.diff(starts, append=len(true))
        return _summed(true[starts], predicted[starts], lengths)

    @classmethod
    def join(cls, parts: Sequence["Contingency"]) -> "Contingency":
        """Give the contingency of several blocks."""
        truth, prediction, voxels = (
            np.concatenate([np.empty(0, np.int64), *(getattr(part, name) for part in parts)])
            for name in ("truth", "prediction", "voxels")
        )
        return _summed(truth, prediction, voxels)

    def renamed(self, truth: Ids | None, prediction: Ids | None) -> "Contingency":
        """Give objects other ids, equal ones where several are one.

        Parameters
        ----------
        truth, prediction : ndarray of int64 or None
            The new id at the place of the old one, 0 at 0; None where ids stay.
        """
        return _summed(
            self.truth if truth is None else truth[self.truth],
            self.prediction if prediction is None else prediction[self.prediction],
            self.voxels,
        )

    @property
    def truth_sizes(self) -> Sizes:
        """Objects of the truth."""
        return _sizes(self.truth, self.voxels)

    @property
    def prediction_sizes(self) -> Sizes:
        """Predicted objects."""
        return _sizes(self.prediction, self.voxels)

    def __len__(self) -> int:
        return len(self.voxels)


def _summed(
    truth: NDArray[np.integer[Any]], prediction: NDArray[np.integer[Any]], voxels: Ids
) -> Contingency:
    """Sort pairs, and add up those that are there several times."""
    order = np.lexsort((prediction, truth))
    true, predicted = truth[order].astype(np.int64), prediction[order].astype(np.int64)
    new = np.ones(len(order), np.bool_)
    new[1:] = (true[1:] != true[:-1]) | (predicted[1:] != predicted[:-1])
    starts = np.flatnonzero(new)
    totals = np.add.reduceat(voxels[order], starts) if len(starts) else np.empty(0, np.int64)
    return Contingency(true[starts], predicted[starts], totals.astype(np.int64))


def _sizes(ids: Ids, voxels: Ids) -> Sizes:
    found, inverse = np.unique(ids, return_inverse=True)
    totals = np.zeros(len(found), np.int64)
    np.add.at(totals, inverse, voxels)
    return Sizes(found[found != 0], totals[found != 0])
