"""Tally: what a stroke changed, counted chunk by chunk."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from napari_ziggurat.classes import UNLABELLED
from napari_ziggurat.geometry import Box
from napari_ziggurat.images.annotation_store.chunks import Voxels

__all__ = ["Tally"]


class Tally:
    """Counts the voxels that change.

    Attributes
    ----------
    painted : Counter of int
        Voxels that got each value.
    contradicted : int
        Voxels that had another label before.
    box : Box or None
        The smallest box that holds all of them; None where nothing changed.
    """

    def __init__(self) -> None:
        self.painted: Counter[int] = Counter()
        self.contradicted = 0
        self.box: Box | None = None

    def add(self, start: Sequence[int], old: Voxels, new: Voxels) -> bool:
        """Count one chunk that begins at ``start``; tell whether it changed."""
        changed = old != new
        if not changed.any():
            return False
        after = np.bincount(new[changed], minlength=256)
        self.painted.update({int(v): int(after[v]) for v in np.flatnonzero(after)})
        other = changed & (old != UNLABELLED) & (new != UNLABELLED)
        self.contradicted += int(np.count_nonzero(other))
        self._grow(Box.whole(old.shape), changed, start)
        return True

    def _grow(self, chunk: Box, changed: np.ndarray, start: Sequence[int]) -> None:
        ends = []
        for axis in range(chunk.ndim):
            others = tuple(a for a in range(chunk.ndim) if a != axis)
            found = np.flatnonzero(changed.any(axis=others))
            ends.append((int(found[0]), int(found[-1]) + 1))
        (low, high) = zip(*ends, strict=True)
        here = Box(low, high).shift(start)
        self.box = here if self.box is None else _around(self.box, here)


def _around(one: Box, other: Box) -> Box:
    return Box(
        tuple(map(min, one.start, other.start)),
        tuple(map(max, one.stop, other.stop)),
    )
