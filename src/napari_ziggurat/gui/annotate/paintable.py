"""Paintable: an annotation, or a part of it, as the data of a labels layer with its axes."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.lazy_view import Arranged, Key, full_key, index_range

if TYPE_CHECKING:
    from napari_ziggurat.images.annotation_store import SparseLabels

__all__ = ["Paintable"]

_MOST = 2**31  # voxels that are made a NumPy array


class Paintable(Arranged):
    """Reads and paints labels by integers and slices, which is what napari does since 0.8.

    Parameters
    ----------
    labels : SparseLabels
        The annotation.
    onto : str
        Axes of the layer: those of the annotation in any order, and others such as ``"c"``, along
        which labels are the same.
    lengths : mapping of str to int
        Length of each axis that the annotation lacks.
    box : Box, optional
        The part that is shown, in voxels of the annotation; all of it unless given.
    """

    def __init__(
        self,
        labels: "SparseLabels",
        onto: str,
        lengths: Mapping[str, int] = MappingProxyType({}),
        box: Box | None = None,
    ) -> None:
        self.part = _Part(labels, Box.whole(labels.shape) if box is None else box)
        super().__init__(self.part, labels.store.axes.names, onto, lengths=lengths)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return Box.whole(self.shape).size

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if self.size > _MOST:
            raise InputError(
                f"This annotation has {self.size:,} voxels, too many for an array in memory. "
                "Export it with 'ziggurat annotation export'."
            )
        data: NDArray[Any] = self[...]
        return data if dtype is None else data.astype(dtype, copy=False)

    def __deepcopy__(self, memo: object) -> NDArray[Any]:
        """Give the voxels: a layer that napari duplicates is one in memory."""
        return np.array(self)

    def __getitem__(self, key: Key) -> Any:
        if isinstance(key, int):
            return _Late(self, (key, ...))
        return np.array(super().__getitem__(key))  # napari paints on what it has read

    def __setitem__(self, key: Key, value: Any) -> None:
        entries = dict(zip(self.onto, full_key(key, self.ndim), strict=True))
        lengths = dict(zip(self.onto, self.shape, strict=True))
        ranges = {a: index_range(entries[a], lengths[a]) for a in self.onto}
        kept = [len(ranges[a]) for a in self.onto if isinstance(entries[a], slice)]
        single = [i for i, a in enumerate(self.onto) if not isinstance(entries[a], slice)]
        values = np.expand_dims(np.broadcast_to(np.asarray(value), kept), tuple(single))
        where = tuple(slice(ranges[a].start, ranges[a].stop) for a in self.axes)
        self.part[where] = self._folded(values, where)

    def to_annotation(self, box: Box) -> Box:
        """Give a box in voxels of this array as one of the annotation."""
        ends = dict(zip(self.onto, zip(box.start, box.stop, strict=True), strict=True))
        (start, stop) = zip(*(ends[a] for a in self.axes), strict=True)
        return Box(start, stop).shift(self.part.box.start)

    def _folded(self, values: NDArray[Any], where: tuple[slice, ...]) -> NDArray[Any]:
        """Bring values to the axes of the annotation.

        Along an axis that it lacks there may be several: what differs from what is there counts.
        """
        missing = [a for a in self.onto if a not in self.axes]
        left = [a for a in self.onto if a in self.axes]
        order = [self.onto.index(a) for a in missing]
        order += [self.onto.index(a) for a in self.axes if a in left]
        arranged = values.transpose(order)
        (several, shape) = (arranged.shape[: len(missing)], arranged.shape[len(missing) :])
        slabs = arranged.reshape(math.prod(several), *shape)
        if len(slabs) == 1:
            return np.asarray(slabs[0])
        before = self.part[where]
        result = before.copy()
        for slab in slabs:
            np.copyto(result, slab.astype(np.uint8), where=slab != before)
        return result


class _Late:
    """A plane that is read when its voxels are asked for.

    At each stamp of the brush napari takes ``data[0]`` and asks for nothing but its type, which
    would read a whole plane of the annotation every time.
    """

    def __init__(self, data: Paintable, key: Key) -> None:
        self._data, self._key = data, key
        self.dtype, self.shape = data.dtype, data.shape[1:]
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        voxels = np.asarray(self._data[self._key])
        return voxels if dtype is None else voxels.astype(dtype, copy=False)

    def __getitem__(self, key: Key) -> Any:
        return np.asarray(self)[key]


class _Part:
    """A box of an annotation, by slices counted from the start of the box."""

    def __init__(self, labels: "SparseLabels", box: Box) -> None:
        self.labels, self.box = labels, box
        self.shape = box.shape
        self.dtype = labels.dtype
        self.ndim = box.ndim

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        return np.asarray(self.labels[self._moved(key)])

    def __setitem__(self, key: tuple[slice, ...], value: Any) -> None:
        self.labels[self._moved(key)] = value

    def _moved(self, key: tuple[slice, ...]) -> tuple[slice, ...]:
        pairs = zip(key, self.box.start, strict=True)
        return tuple(slice(part.start + first, part.stop + first) for part, first in pairs)
