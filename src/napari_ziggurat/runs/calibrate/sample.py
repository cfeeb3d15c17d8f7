"""Sample: some labelled voxels of each class, each with the same chance, and how many there are."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassSample", "VoxelSample"]

_OF_EACH_CLASS = 2**15


@dataclass
class ClassSample:
    """Voxels of one class: those that draw the smallest numbers stay."""

    count: int = 0
    drawn: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    rows: NDArray[np.float32] | None = None

    def add(self, rows: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Take rows (voxels, ...)."""
        self.count += len(rows)
        drawn = np.concatenate([self.drawn, rng.random(len(rows))])
        every = rows if self.rows is None else np.concatenate([self.rows, rows])
        kept = np.sort(np.argsort(drawn, kind="stable")[:_OF_EACH_CLASS])
        self.drawn, self.rows = drawn[kept], every[kept]


class VoxelSample:
    """What each level says of some voxels of each class, however many come box by box."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._classes: dict[int, ClassSample] = {}

    def add(self, levels: NDArray[np.float32], target: NDArray[np.uint8]) -> None:
        """Take a box.

        Parameters
        ----------
        levels : (levels, classes, (Z), Y, X) float32 array
            Probabilities.
        target : ((Z), Y, X) uint8 array
            0 is ignored, k is the class of channel k - 1.
        """
        for value in np.unique(target[target > 0]).tolist():
            rows = np.ascontiguousarray(levels[:, :, target == value].transpose(2, 0, 1))
            self._classes.setdefault(value - 1, ClassSample()).add(rows, self._rng)

    def __bool__(self) -> bool:
        return bool(self._classes)

    def together(self) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
        """Give (voxels, levels, classes), the channel of each, and for how many it stands."""
        rows, channels, counts = [], [], []
        for channel, found in sorted(self._classes.items()):
            assert found.rows is not None
            rows.append(found.rows)
            channels.append(np.full(len(found.rows), channel))
            counts.append(np.full(len(found.rows), found.count / len(found.rows)))
        return np.concatenate(rows), np.concatenate(channels), np.concatenate(counts)
