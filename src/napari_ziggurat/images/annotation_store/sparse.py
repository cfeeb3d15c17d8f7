"""SparseLabels: an annotation store as an array that can be painted on, whatever its size.

It has what napari needs of the data of a Labels layer; nothing here knows napari.
"""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images.annotation_store.chunks import Index, Voxels
from napari_ziggurat.images.annotation_store.files import check_values
from napari_ziggurat.images.annotation_store.history import Kind, Record
from napari_ziggurat.images.annotation_store.selection import Points, select
from napari_ziggurat.images.annotation_store.store import AnnotationStore

__all__ = ["SparseLabels"]


class SparseLabels:
    """Labels that are read and painted by index, as a NumPy array of uint8 is.

    Parameters
    ----------
    store : AnnotationStore
        Opened for writing, to be painted on.
    each : bool
        Whether every assignment is a stroke of its own and on the disk when it returns. Otherwise
        assignments are collected, seen by whoever reads from here, until `flush` makes one stroke
        of them: a brush assigns many times until the mouse is released.

    Attributes
    ----------
    version : int
        Grows with each assignment.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, store: AnnotationStore, *, each: bool = True) -> None:
        self.store = store
        self.version = 0
        self._each = each
        self._painted: dict[Index, tuple[Voxels, NDArray[np.bool_]]] = {}
        self._guard = threading.RLock()

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.store.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return Box.whole(self.shape).size

    @property
    def dirty(self) -> list[Box]:
        """Boxes of the chunks with voxels that are not on the disk yet."""
        with self._guard:
            return [self.store.chunks.box(index) for index in self._painted]

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole: NDArray[Any] = self[...]
        return whole if dtype is None else whole.astype(dtype)

    def __getitem__(self, key: Any, /) -> Any:
        found = select(key, self.shape)
        if isinstance(found, Points):
            return self._read_points(found)
        return self._read(found.box)[found.key]

    def __setitem__(self, key: Any, value: Any, /) -> None:
        found = select(key, self.shape)
        values = check_values(value)
        with self._guard:
            if isinstance(found, Points):
                self._mark_points(found, values)
            else:
                voxels = np.zeros(found.box.shape, np.uint8)
                marks = np.zeros(found.box.shape, bool)
                voxels[found.key] = values
                marks[found.key] = True
                self._mark(found.box, voxels, marks)
            self.version += 1
            if self._each:
                self.flush()

    def flush(self, kind: Kind = "stroke", box: Box | None = None) -> Record | None:
        """Make one stroke of what was painted; None where nothing was.

        Parameters
        ----------
        kind : {"stroke", "complete", "correction", "import"}
            How the voxels were confirmed.
        box : Box, optional
            For ``complete`` the box that was said to be; one around the chunks unless given.

        Raises
        ------
        WorkFailed
            The disk is full: nothing is lost, and the next call tries again.
        """
        with self._guard:
            if not self._painted:
                return None
            where = self._around() if box is None else box
            record = self.store.edit(sorted(self._painted), self._laid_over, where, kind=kind)
            self._painted = {}
            return record

    def _laid_over(self, index: Index, old: Voxels) -> Voxels:
        (voxels, marks) = self._painted[index]
        return np.where(marks, voxels, old)

    def _around(self) -> Box:
        boxes = self.dirty
        start = tuple(map(min, zip(*(box.start for box in boxes), strict=True)))
        return Box(start, tuple(map(max, zip(*(box.stop for box in boxes), strict=True))))

    def _read(self, box: Box) -> Voxels:
        with self._guard:
            found = self.store.read(box)
            for index, both in self._parts(box):
                if index in self._painted:
                    chunk = self.store.chunks.box(index)
                    here = both.relative_to(chunk.start).slices
                    there = both.relative_to(box.start).slices
                    (voxels, marks) = self._painted[index]
                    found[there] = np.where(marks[here], voxels[here], found[there])
            return found

    def _mark(self, box: Box, voxels: Voxels, marks: NDArray[np.bool_]) -> None:
        for index, both in self._parts(box):
            there = both.relative_to(box.start).slices
            if marks[there].any():
                (kept, kept_marks) = self._kept(index)
                here = both.relative_to(self.store.chunks.box(index).start).slices
                np.copyto(kept[here], voxels[there], where=marks[there])
                kept_marks[here] |= marks[there]

    def _read_points(self, points: Points) -> Voxels:
        found = np.zeros(len(points.places[0]), np.uint8)
        with self._guard:
            for index, rows, inside in self._by_chunk(points):
                found[rows] = self._read(self.store.chunks.box(index))[inside]
        return found.reshape(points.shape)

    def _mark_points(self, points: Points, values: Voxels) -> None:
        flat = np.broadcast_to(values, points.shape).ravel()
        for index, rows, inside in self._by_chunk(points):
            (kept, marks) = self._kept(index)
            kept[inside] = flat[rows]
            marks[inside] = True

    def _by_chunk(
        self, points: Points
    ) -> Iterator[tuple[Index, NDArray[np.int64], tuple[NDArray[np.int64], ...]]]:
        """Sort points by chunk: the chunk, which points, and where they lie in it; in order."""
        chunk = self.store.chunks.chunk
        grid = np.stack([p // n for p, n in zip(points.places, chunk, strict=True)], axis=-1)
        (chunks, which) = np.unique(grid, axis=0, return_inverse=True)
        for number, index in enumerate(chunks.tolist()):
            rows = np.flatnonzero(which.ravel() == number)
            inside = [p[rows] - i * n for p, i, n in
                      zip(points.places, index, chunk, strict=True)]  # fmt: skip
            yield tuple(index), rows, tuple(inside)

    def _parts(self, box: Box) -> Iterator[tuple[Index, Box]]:
        for index in self.store.chunks.within(box):
            yield index, self.store.chunks.box(index).intersect(box)

    def _kept(self, index: Index) -> tuple[Voxels, NDArray[np.bool_]]:
        if index not in self._painted:
            shape = self.store.chunks.box(index).shape
            self._painted[index] = (np.zeros(shape, np.uint8), np.zeros(shape, bool))
        return self._painted[index]
