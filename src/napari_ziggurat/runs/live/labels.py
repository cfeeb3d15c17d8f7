"""Live labels: what is painted, wherever it is kept, with the boxes in which it changes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, image_from_array
from napari_ziggurat.images.annotation_store import AnnotationStore, SparseLabels
from napari_ziggurat.images.annotation_store.changes import Changes
from napari_ziggurat.training.volumes import match_level

__all__ = ["Labels", "LiveLabels"]

Labels: TypeAlias = AnnotationStore | SparseLabels | NDArray[np.uint8]
"""What can be painted on while a network learns from it; axes [t,] [z,] y, x."""

_CELL = {2: (256, 256), 3: (32, 128, 128)}


class LiveLabels:
    """Labels of an image that change while they are read.

    Parameters
    ----------
    labels : AnnotationStore, SparseLabels or array of uint8
    image : Image
        What they belong to.
    level : int or None
        Level that an array lies on; the finest of its shape unless given.

    Attributes
    ----------
    image : Image
        The labels as an image of one level.
    level : int
        Level of the image that they lie on.
    timed : bool
        Their first axis is time.
    taken : int
        Number of the last stroke that was given by `changed`, or was there before; 0 where no
        history tells.

    Raises
    ------
    InputError
        They do not belong to the image.
    """

    def __init__(self, labels: Labels, image: Image, level: int | None) -> None:
        self._store = labels if isinstance(labels, AnnotationStore) else None
        if isinstance(labels, SparseLabels):
            self._store = labels.store
        array = SparseLabels(labels) if isinstance(labels, AnnotationStore) else labels
        self._changes = None if self._store is None else Changes(self._store)
        history = () if self._store is None else self._store.history()
        self.taken = max((each.number for each in history), default=0)
        self._array = array
        self.timed = len(array.shape) > image.dims
        self.image = self._as_image(image)
        if self._store is not None:
            self._store.check(image)
            level = self._store.drawn_on.level
        self.level, _ = match_level(image, self.image, level)

    def cells(self) -> Iterator[Box]:
        """Give the cells in which something may be painted, from the names in the folder."""
        if self._store is None:
            yield from self.cells_of(Box.whole(self._array.shape))
            return
        seen = set(self._store.touched())
        if isinstance(self._array, SparseLabels):
            seen |= set(self._array.dirty)
        yield from sorted(seen, key=lambda each: each.start)

    def cells_of(self, box: Box) -> Iterator[Box]:
        """Give the cells that a box lies in."""
        whole, cell = Box.whole(self._array.shape), self._cell
        inside = box.intersect(whole)
        low = [a // n for a, n in zip(inside.start, cell, strict=True)]
        high = [-(-b // n) for b, n in zip(inside.stop, cell, strict=True)]
        for index in np.ndindex(*(max(0, b - a) for a, b in zip(low, high, strict=True))):
            start = tuple((a + i) * n for a, i, n in zip(low, index, cell, strict=True))
            stop = tuple(a + n for a, n in zip(start, cell, strict=True))
            yield Box(start, stop).intersect(whole)

    def read(self, box: Box) -> NDArray[np.uint8]:
        """Read the labels of a box, one range per axis."""
        voxels: NDArray[np.uint8] = np.array(self._array[box.slices])
        return voxels

    def changed(self) -> list[Box]:
        """Give the boxes of the strokes since the last call, where a history tells them."""
        new = [] if self._changes is None else self._changes.new()
        self.taken = max((self.taken, *(each.number for each in new)))
        return [each.box for each in new]

    def check_box(self, box: Box) -> None:
        """Refuse a box that is not one of these labels."""
        if box.ndim != len(self._array.shape):
            raise InputError(
                f"A changed box has one range per axis of the labels, which are of shape "
                f"{tuple(self._array.shape)}; got {box}."
            )

    @property
    def _cell(self) -> tuple[int, ...]:
        if self._store is not None:
            return self._store.chunks.chunk
        dims = len(self._array.shape) - self.timed
        return (1,) * self.timed + _CELL[dims]

    def _as_image(self, image: Image) -> Image:
        if np.dtype(self._array.dtype) != np.uint8:
            raise InputError(
                f"Labels that change are of type uint8 (0 unlabelled, 1 to 254 a class, 255 "
                f"background); these are {self._array.dtype}. Convert them with .astype('uint8')."
            )
        if len(self._array.shape) - image.dims not in (0, 1):
            raise InputError(
                f"Labels have the axes of the image without channels; '{image.name}' has "
                f"{image.dims} in space, and the labels are of shape {tuple(self._array.shape)}."
            )
        axes = ("t" if self.timed else "") + image.axes.spatial
        made = image_from_array(self._array, axes=axes, name=f"labels of {image.name}")
        return made if self._store is None else replace(made, source=self._store.path)
