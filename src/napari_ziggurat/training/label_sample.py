"""Label sample: some of the labels of each class, with how many each stands for."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.training.replay import Positions

__all__ = ["LabelSample"]

_MOST = 5_000  # of each class, seen and unseen


@dataclass(frozen=True)
class LabelSample:
    """A sample of all labels.

    Attributes
    ----------
    rows : (n, 1 + dims) array
    values : (n,) array
        Target value of each.
    unseen : (n,) array of bool
    weights : (n,) array
        Voxels that each stands for.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.int64]
    unseen: NDArray[np.bool_]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, unseen: Positions, seen: Positions, dims: int, rng: np.random.Generator) -> Self:
        """Draw some labels of each class."""
        parts = [
            (rows, np.full(len(rows), value), np.full(len(rows), new), each.counts[value])
            for each, new in ((unseen, True), (seen, False))
            for value, rows in each.rows.items()
        ]
        if not parts:
            none = np.empty(0, np.int64)
            parts = [(np.empty((0, 1 + dims), np.int64), none, none, 0.0)]
        chosen = [rng.permutation(len(rows))[:_MOST] for rows, *_ in parts]
        pairs = list(zip(parts, chosen, strict=True))
        return cls(
            np.concatenate([rows[c] for (rows, *_), c in pairs]),
            np.concatenate([values[c] for (_, values, *_), c in pairs]),
            np.concatenate([new[c] for (*_, new, _), c in pairs]),
            np.concatenate([np.full(len(c), count / max(1, len(c))) for (*_, count), c in pairs]),
        )

    def by_class(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Count the voxels of each target value."""
        counts = np.bincount(self.values[mask], self.weights[mask], minlength=256)
        return np.asarray(counts, np.float64)
