"""Census: how many voxels of each value an annotation has, kept up to date stroke by stroke."""

from typing import TYPE_CHECKING

import numpy as np

from napari_ziggurat.classes import UNLABELLED
from napari_ziggurat.geometry import Box
from napari_ziggurat.images.annotation_store.chunks import Index
from napari_ziggurat.images.annotation_store.store import AnnotationStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Census"]

_VALUES = 256


class Census:
    """Counts the voxels chunk by chunk, so that after a stroke only its chunks are read again.

    Parameters
    ----------
    store : AnnotationStore
        Every chunk that exists is read once.
    """

    def __init__(self, store: AnnotationStore) -> None:
        self._store = store
        self._chunks: dict[Index, NDArray[np.int64]] = {}
        self._sum = np.zeros(_VALUES, np.int64)
        for index in store.chunks.stored():
            self._count(index)

    @property
    def counts(self) -> dict[int, int]:
        """Voxels of each value that occurs, without unlabelled ones."""
        values = np.flatnonzero(self._sum)
        return {int(v): int(self._sum[v]) for v in values if v != UNLABELLED}

    @property
    def labelled(self) -> int:
        """Voxels that have a label."""
        return sum(self.counts.values())

    def update(self, box: Box) -> None:
        """Count the chunks of a box anew; one range per axis of the annotation."""
        chunks = self._store.chunks
        for index in chunks.within(box):
            if index in self._chunks or chunks.path(index).exists():
                self._count(index)

    def holding(self, value: int) -> list[Index]:
        """List the chunks in which a value occurs, in order."""
        return sorted(index for index, found in self._chunks.items() if found[value])

    def _count(self, index: Index) -> None:
        voxels = self._store.read(self._store.chunks.box(index))
        found = np.bincount(voxels.ravel(), minlength=_VALUES).astype(np.int64)
        self._sum += found - self._chunks.get(index, 0)
        self._chunks[index] = found
