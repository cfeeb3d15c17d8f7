"""Arrays that napari can slice without reading more than it shows."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arranged", "LazyView", "Sliceable", "full_key", "index_range", "single_index"]

Key = Any  # an integer, a slice, an Ellipsis, or a tuple of them


class Sliceable(Protocol):
    """What is asked of an array: a shape, a type, and reading by integers and slices."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> Any:
        """Type of a voxel."""

    def __getitem__(self, key: Any, /) -> Any:
        """Read a part."""


def full_key(key: Key, ndim: int) -> tuple[Any, ...]:
    """Give one entry per axis: an Ellipsis is expanded, missing axes become whole slices."""
    entries = key if isinstance(key, tuple) else (key,)
    missing = ndim - sum(entry is not Ellipsis for entry in entries)
    if missing < 0:
        raise IndexError(f"An array with {ndim} axes takes at most {ndim} indices; got {key}.")
    (before, after) = _around_ellipsis(entries)
    return before + (slice(None),) * missing + after


def single_index(index: Any, length: int) -> int:
    """Give an index that counts from the start; negative ones count from the end."""
    number = int(index)
    if not -length <= number < length:
        raise IndexError(f"An axis of length {length} has no index {number}.")
    return number % length


class LazyView:
    """A window on an array that is read as late as possible.

    For one plane napari takes ``[:, y0:y1, x0:x1]`` first and ``[z]`` after it; a Zarr array reads
    the whole stack in the first step (napari/napari#9515). Here slices only narrow the window; an
    integer index or ``np.asarray`` reads. Nothing is kept, so what is being written can be shown.

        array   +--------------+      [:, 2:6, 3:9]   ->  a smaller window, nothing is read
                |   +-----+    |      [4]             ->  that plane of the window is read
                |   +-----+    |
                +--------------+
    """

    def __init__(self, array: Sliceable, window: tuple[tuple[int, int], ...] | None = None) -> None:
        self.array = array
        self.window = window or tuple((0, int(length)) for length in array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.shape = tuple(stop - start for start, stop in self.window)
        self.ndim = len(self.shape)
        self.chunks = getattr(array, "chunks", None)  # napari aligns what it loads with them

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=object))

    def __getitem__(self, key: Key) -> Any:
        entries = full_key(key, self.ndim)
        windows = [_shifted(e, w) for e, w in zip(entries, self.window, strict=True)]
        if all(_narrows(entry) for entry in entries):
            return LazyView(self.array, tuple((s.start, s.stop) for s in windows))
        return np.asarray(self.array[tuple(windows)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        data = np.asarray(self.array[tuple(slice(*ends) for ends in self.window)])
        return data if dtype is None else data.astype(dtype, copy=False)


class Arranged:
    """An array shown with other axes: in another order, with more of them or with fewer.

    Truth values are shown as uint8, as an `Image` reads them: napari and NumPy stretch no contrast
    between True and False.

    Parameters
    ----------
    array : Sliceable
        Has the axes ``axes``.
    axes : str
        Letters of the array's axes, such as ``"czyx"``.
    onto : str
        Letters of the axes to show, such as ``"zyx"`` or ``"tzyx"``.
    lengths : mapping of str to int
        Length of each axis that the array lacks; it is the same all along it.
    fixed : mapping of str to int
        Index on each axis of the array that is not shown.
    """

    def __init__(
        self,
        array: Sliceable,
        axes: str,
        onto: str,
        *,
        lengths: Mapping[str, int] = MappingProxyType({}),
        fixed: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.array, self.axes, self.onto, self.fixed = array, axes, onto, fixed
        self.shape = self._shown(array.shape, lengths)
        stored = np.dtype(array.dtype)
        self.dtype: np.dtype[Any] = np.dtype(np.uint8) if stored.kind == "b" else stored
        self.ndim = len(self.shape)

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Chunks of the array on the axes that are shown; None where it has none."""
        chunks = getattr(self.array, "chunks", None)
        if not chunks or not all(isinstance(length, int) for length in chunks):
            return None
        return self._shown(chunks, dict.fromkeys(self.onto, 1))

    def __getitem__(self, key: Key) -> NDArray[Any]:
        entries = dict(zip(self.onto, full_key(key, self.ndim), strict=True))
        lengths = dict(zip(self.onto, self.shape, strict=True))
        single = [axis for axis, letter in enumerate(self.onto) if not _is_slice(entries[letter])]
        ranges = {letter: index_range(entries[letter], lengths[letter]) for letter in self.onto}
        data = self._read(ranges)
        shape = [len(ranges[letter]) for letter in self.onto]
        return np.broadcast_to(data, shape).squeeze(tuple(single))

    def _read(self, ranges: Mapping[str, range]) -> NDArray[Any]:
        """Read what is needed, by slices alone; axes that the array lacks have length 1."""
        where = {**{letter: range(i, i + 1) for letter, i in self.fixed.items()}, **ranges}
        key = tuple(slice(where[letter].start, where[letter].stop) for letter in self.axes)
        steps = tuple(slice(None, None, where[letter].step) for letter in self.axes)
        data = np.asarray(self.array[key], self.dtype)[steps]
        left = [letter for letter in self.axes if letter in self.onto]
        hidden = [axis for axis, letter in enumerate(self.axes) if letter not in self.onto]
        data = data.squeeze(tuple(hidden))
        data = data.transpose([left.index(letter) for letter in self.onto if letter in left])
        missing = [axis for axis, letter in enumerate(self.onto) if letter not in left]
        return np.expand_dims(data, tuple(missing))

    def _shown(self, lengths: Sequence[int], more: Mapping[str, int]) -> tuple[int, ...]:
        known = {**more, **dict(zip(self.axes, lengths, strict=True))}
        return tuple(int(known[letter]) for letter in self.onto)


def _around_ellipsis(entries: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    for position, entry in enumerate(entries):
        if entry is Ellipsis:
            return entries[:position], entries[position + 1 :]
    return entries, ()


def _is_slice(entry: Any) -> TypeGuard[slice]:
    return isinstance(entry, slice)


def _narrows(entry: Any) -> bool:
    return isinstance(entry, slice) and entry.step in (None, 1)


def index_range(entry: Any, length: int) -> range:
    """Give the indices that an integer or a slice asks for; they go upwards."""
    if not _is_slice(entry):
        start = single_index(entry, length)
        return range(start, start + 1)
    (start, stop, step) = entry.indices(length)
    if step < 1:
        raise IndexError(f"This array is read forwards; got the step {step}.")
    return range(start, max(start, stop), step)


def _shifted(entry: Any, window: tuple[int, int]) -> Any:
    """Give an index or slice of the window as one of the array."""
    (start, stop) = window
    if not isinstance(entry, slice):
        return start + single_index(entry, stop - start)
    (first, last, step) = entry.indices(stop - start)
    return slice(start + first, start + max(first, last), step)
