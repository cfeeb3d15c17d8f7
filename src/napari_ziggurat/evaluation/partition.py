"""Partition: adapted Rand error and variation of information, for membranes and neurites."""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.evaluation.contingency import Contingency

__all__ = ["Partition"]


@dataclass(frozen=True)
class Partition:
    """How two ways to divide the same voxels agree; sums of many images are those of all.

    Only voxels of objects of the truth count. What was predicted as background there is one piece
    of the prediction, as in scikit-image.

    Attributes
    ----------
    both, truth, prediction : float
        Ordered pairs of voxels that are together in both, in the truth, in the prediction.
    voxels : int
        Voxels of objects of the truth.
    split_bits, merge_bits : float
        Sum over the voxels of what is not known, in bits: of the piece when the object is known,
        and of the object when the piece is known.

    References
    ----------
    Arganda-Carreras 2015, doi:10.3389/fnana.2015.00142 (adapted Rand error); Meila 2007,
    doi:10.1016/j.jmva.2006.11.013 (variation of information).
    """

    both: float = 0.0
    truth: float = 0.0
    prediction: float = 0.0
    voxels: int = 0
    split_bits: float = 0.0
    merge_bits: float = 0.0

    @classmethod
    def of(cls, pairs: Contingency, counted: NDArray[np.bool_] | None = None) -> "Partition":
        """Take the counts of a contingency.

        Parameters
        ----------
        pairs : Contingency
            Of a whole image.
        counted : ndarray of bool, (pairs,), optional
            Pairs that count; those of the background of the truth never do.
        """
        chosen = pairs.truth != 0 if counted is None else (pairs.truth != 0) & counted
        # squares of large objects do not fit in integers
        shared = pairs.voxels[chosen].astype(np.float64)
        true, rows = _totals(pairs.truth[chosen], shared)
        predicted, columns = _totals(pairs.prediction[chosen], shared)
        return cls(
            both=_pairs(shared),
            truth=_pairs(true),
            prediction=_pairs(predicted),
            voxels=int(shared.sum()),
            split_bits=float(shared @ np.log2(true[rows] / shared)),
            merge_bits=float(shared @ np.log2(predicted[columns] / shared)),
        )

    def __add__(self, other: "Partition") -> "Partition":
        (mine, theirs) = (astuple(self), astuple(other))
        return Partition(*(a + b for a, b in zip(mine, theirs, strict=True)))

    @property
    def adapted_rand_error(self) -> float | None:
        """1 less the F-score of pairs of voxels: 0 is best; None without pairs."""
        pairs = self.truth + self.prediction
        return 1 - 2 * self.both / pairs if pairs else None

    @property
    def vi_split(self) -> float | None:
        """Bits per voxel because objects are cut: H(prediction | truth)."""
        return self.split_bits / self.voxels if self.voxels else None

    @property
    def vi_merge(self) -> float | None:
        """Bits per voxel because objects run together: H(truth | prediction)."""
        return self.merge_bits / self.voxels if self.voxels else None


def _totals(
    ids: NDArray[np.int64], shared: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    found, inverse = np.unique(ids, return_inverse=True)
    totals: NDArray[np.float64] = np.zeros(len(found))
    np.add.at(totals, inverse, shared)
    return totals, inverse


def _pairs(sizes: NDArray[np.float64]) -> float:
    return float(sizes @ sizes - sizes.sum())
