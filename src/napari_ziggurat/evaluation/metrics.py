"""Metrics: how well predicted labels agree with true ones, counted block by block."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import MAX_CLASS
from napari_ziggurat.errors import InputError

__all__ = ["Confusion", "Overlap"]

_VALUES = MAX_CLASS + 1

IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Overlap:
    """Agreement on one class, in voxels.

    Attributes
    ----------
    value : int
        The class.
    truth, prediction, both : int
        Voxels of the class in the truth, in the prediction, in both.
    """

    value: int
    truth: int
    prediction: int
    both: int

    @property
    def dice(self) -> float:
        """Twice the common voxels over the sum of both sizes; 1 when the two are equal."""
        return 2 * self.both / (self.truth + self.prediction)

    @property
    def iou(self) -> float:
        """Common voxels over those of either."""
        return self.both / (self.truth + self.prediction - self.both)

    @property
    def precision(self) -> float | None:
        """Share of the prediction that is right; None where nothing was predicted."""
        return self.both / self.prediction if self.prediction else None

    @property
    def recall(self) -> float | None:
        """Share of the truth that was found; None where the truth has nothing."""
        return self.both / self.truth if self.truth else None

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(
            self.value,
            self.truth + other.truth,
            self.prediction + other.prediction,
            self.both + other.both,
        )


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each true class was predicted as each class.

    Add the confusions of all blocks to get that of the image, and those of all images to get
    pooled scores: a sum does not depend on how the voxels were divided.

    Attributes
    ----------
    counts : ndarray of int64, shape (255, 255)
        Voxels by true value and predicted value.
    """

    counts: NDArray[np.int64]

    @classmethod
    def empty(cls) -> "Confusion":
        """Give the confusion of no voxel at all."""
        return cls(np.zeros((_VALUES, _VALUES), np.int64))

    @classmethod
    def count(
        cls, truth: IntArray, prediction: IntArray, mask: NDArray[np.bool_] | None = None
    ) -> "Confusion":
        """Count the voxels of one block.

        Parameters
        ----------
        truth, prediction : ndarray of integers, ((Z), Y, X)
            Values 0 to 254.
        mask : ndarray of bool, ((Z), Y, X), optional
            Only voxels where this is true count.

        Raises
        ------
        InputError
            The shapes differ, or a value is no class.
        """
        _check_shapes(truth, prediction, mask)
        (true, predicted) = (
            _classes(each if mask is None else each[mask]) for each in (truth, prediction)
        )
        pairs = np.bincount(true * _VALUES + predicted, minlength=_VALUES * _VALUES)
        return cls(pairs.reshape(_VALUES, _VALUES))

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.counts + other.counts)

    @property
    def voxels(self) -> int:
        """Number of voxels that were compared."""
        return int(self.counts.sum())

    @property
    def foreground(self) -> tuple[Overlap, ...]:
        """Overlap of each class but the background that is in the truth or in the prediction."""
        present = (self.counts.sum(0) + self.counts.sum(1)) > 0
        return tuple(self.overlap(int(value)) for value in np.flatnonzero(present) if value)

    def overlap(self, value: int) -> Overlap:
        """Give the overlap of one class."""
        return Overlap(
            value=value,
            truth=int(self.counts[value].sum()),
            prediction=int(self.counts[:, value].sum()),
            both=int(self.counts[value, value]),
        )

    @property
    def mean_dice(self) -> float | None:
        """Mean Dice over the foreground classes; None when there is none."""
        return _mean(overlap.dice for overlap in self.foreground)

    @property
    def mean_iou(self) -> float | None:
        """Mean IoU over the foreground classes; None when there is none."""
        return _mean(overlap.iou for overlap in self.foreground)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _check_shapes(truth: IntArray, prediction: IntArray, mask: NDArray[np.bool_] | None) -> None:
    shapes = [each.shape for each in (truth, prediction, mask) if each is not None]
    if len(set(shapes)) > 1:
        raise InputError(f"Labels that are compared need one shape; got {shapes}.")


def _classes(values: IntArray) -> NDArray[np.int64]:
    (low, high) = (int(values.min(initial=0)), int(values.max(initial=0)))
    if low < 0 or high > MAX_CLASS:
        raise InputError(f"Classes are 0 to {MAX_CLASS}; got values from {low} to {high}.")
    return values.ravel().astype(np.int64)
