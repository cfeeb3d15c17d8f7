"""Image: what every source of voxels offers, read lazily, box by box."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.geometry import Axes, BlockGrid, Box, Spacing, Upsampling
from napari_ziggurat.images.source import Source

__all__ = ["Image", "Kept", "Level", "Readable"]

logger = logging.getLogger(__name__)

# Voxels that are held at once when a whole level is streamed: 64 MiB of float32.
_STREAMED_VOXELS = 2**24


class Readable(Protocol):
    """An array that gives a box when it is sliced: NumPy, Zarr, Dask, or a file behind a reader."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each stored axis."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        ...

    def __getitem__(self, key: tuple[slice, ...], /) -> Any:
        """Give the voxels of one slice per stored axis."""
        ...


@runtime_checkable
class Kept(Protocol):
    """A readable array that is kept somewhere chunk by chunk, and may have gaps or vanish."""

    def problem(self) -> str | None:
        """Say why the array can no longer be read; None while it can.

        Raises
        ------
        InputError
            It is on a server, and that says why.
        """
        ...

    def gap(self, key: tuple[slice, ...]) -> Any:
        """Give the value of a box in which nothing is stored; None where something may be."""
        ...


@dataclass(frozen=True)
class Level:
    """One level of the pyramid: spatial shape ((Z), Y, X), spacing, and where voxel 0 is.

    ``translation`` is the centre of voxel 0, in the unit of the spacing.
    """

    shape: tuple[int, ...]
    spacing: Spacing
    translation: tuple[float, ...]

    def upsampling(self, coarse: "Level") -> Upsampling:
        """Tell how voxels of a coarser level are brought to the grid of this one."""
        return Upsampling.between(
            (self.spacing.values, self.translation),
            (coarse.spacing.values, coarse.translation),
            coarse.shape,
        )


@dataclass(frozen=True, eq=False)
class Image:
    """Voxels with axes, spacing and levels, whatever they are stored in.

    Attributes
    ----------
    name : str
        What the image is called in messages and output names.
    axes : Axes
        Axes as stored; `read` gives (C, (Z), Y, X) whatever they are.
    arrays : tuple of Readable
        The stored array of each level, finest first.
    levels : tuple of Level
        Shape, spacing and translation of each level, finest first.
    channels : tuple of str
        Channel names, at least one.
    dtype : numpy.dtype
        Type that `read` gives, in the machine's byte order; bool is read as uint8.
    format : str
        What the image is stored as, in words.
    source : Path, Url or None
        File, folder or store on a server that it comes from; None for arrays in memory.
    affine : ndarray or None
        NIfTI only: voxel indices (x, y, z) to world, 4 x 4.
    nan_as : float or None
        When set, `read` puts this in place of NaN and infinite voxels.
    """

    name: str
    axes: Axes
    arrays: tuple[Readable, ...]
    levels: tuple[Level, ...]
    channels: tuple[str, ...]
    dtype: np.dtype[Any]
    format: str = "array"
    source: Source | None = None
    affine: NDArray[np.float64] | None = None
    nan_as: float | None = None

    @property
    def dims(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return self.axes.dims

    @property
    def has_channel_axis(self) -> bool:
        """Tell whether the stored arrays have a channel axis."""
        return self.axes.has("c")

    @property
    def times(self) -> int:
        """Number of time points; 1 when there is no time axis."""
        return self.arrays[0].shape[self.axes.index("t")] if self.axes.has("t") else 1

    def read(self, level: int, box: Box, time: int = 0) -> NDArray[Any]:
        """Read one box of one level, and nothing else.

        Parameters
        ----------
        level : int
            Level, 0 is the finest.
        box : Box
            Voxels of that level, ((Z), Y, X).
        time : int
            Time point.

        Returns
        -------
        ndarray of shape (C, (Z), Y, X)
            The voxels in `dtype`.

        Raises
        ------
        InputError
            The level, the box or the time does not exist, or the source cannot be read.
        """
        self._check(level, box, time)
        stored = self._fetch(level, box, time)
        return self._clean(self._ordered(stored))

    def constant(self, level: int, box: Box, time: int = 0) -> NDArray[Any] | None:
        """Give the voxels of a box without reading, where none of its chunks is stored.

        It costs a look for one file per chunk, or per shard where there are shards.

        Parameters
        ----------
        level, box, time
            As for `read`.

        Returns
        -------
        ndarray of shape (C,) or None
            What `read` would give at every voxel, per channel. None where a chunk is stored, and
            where that is not known: for whatever is no local zarr array.

        Raises
        ------
        InputError
            The level, the box or the time does not exist, or the store has vanished.
        """
        self._check(level, box, time)
        array = self.arrays[level]
        value = array.gap(self._key(box, time)) if isinstance(array, Kept) else None
        if value is None:
            return None
        self.check_present(level)
        return self._clean(np.full(len(self.channels), value, array.dtype))

    def check_present(self, level: int) -> None:
        """Refuse to go on when a level is no longer there.

        Zarr reads chunks that are not there as the fill value, so a store that was deleted or
        unmounted would look empty. Arrays that are not kept chunk by chunk tell that by themselves.

        Raises
        ------
        InputError
            The metadata of the level can no longer be read.
        """
        array = self.arrays[level]
        problem = array.problem() if isinstance(array, Kept) else None
        if problem is not None:
            raise InputError(
                f"{self._called} vanished while it was read (level {level}: {problem}). Bring it "
                "back, and run the same again."
            )

    @property
    def _called(self) -> str:
        return str(self.source or self.name)

    def check_level(self, level: int) -> None:
        """Refuse a level that does not exist."""
        if not 0 <= level < len(self.levels):
            names = ", ".join(f"{i} {lev.shape}" for i, lev in enumerate(self.levels))
            raise InputError(f"{self._called} has no level {level}; it has: {names}.")

    def boxes(self, level: int) -> Iterator[Box]:
        """Cut a level into boxes of bounded size along its chunks, to look at all voxels once."""
        self.check_level(level)
        shape = self.levels[level].shape
        block = _streaming_block(shape, self.stored_chunk(level), len(self.channels))
        for part in BlockGrid(Box.whole(shape), block):
            yield part.write_box

    def stored_chunk(self, level: int) -> tuple[int, ...]:
        """Give the spatial part of the stored chunks; one row where the source does not say."""
        shape = self.levels[level].shape
        chunk = _chunk_of(self.arrays[level])
        if chunk is None:
            return (1,) * (len(shape) - 1) + shape[-1:]
        return tuple(chunk[self.axes.index(letter)] for letter in self.axes.spatial)

    def count_not_finite(self, level: int = 0) -> int:
        """Count NaN and infinite voxels of all channels and times, one box at a time."""
        if self.dtype.kind != "f":
            return 0
        return sum(
            int(np.count_nonzero(~np.isfinite(self._ordered(self._fetch(level, box, time)))))
            for time in range(self.times)
            for box in self.boxes(level)
        )

    def _check(self, level: int, box: Box, time: int) -> None:
        self.check_level(level)
        shape = self.levels[level].shape
        if box.ndim != len(shape) or not Box.whole(shape).contains(box):
            raise InputError(
                f"Box {box} is not inside level {level} of {self._called}, which has shape {shape} "
                f"(axes {self.axes.spatial}); give start:stop per axis within it."
            )
        if not 0 <= time < self.times:
            raise InputError(f"{self._called} has no time {time}; it has 0 to {self.times - 1}.")

    def _fetch(self, level: int, box: Box, time: int) -> NDArray[Any]:
        try:
            return np.asarray(self.arrays[level][self._key(box, time)])
        except (ZigguratError, MemoryError):
            raise
        # Codecs of half a dozen libraries raise what they like; the person needs one sentence.
        except Exception as error:
            raise InputError(
                f"{self._called} cannot be read at level {level}, box {box}: "
                f"{_first_line(error)}. The file may be damaged or incomplete; copy it again."
            ) from error

    def _key(self, box: Box, time: int) -> tuple[slice, ...]:
        """Give one slice per stored axis."""
        where = dict(zip(self.axes.spatial, box.slices, strict=True))
        where |= {"t": slice(time, time + 1), "c": slice(0, len(self.channels))}
        return tuple(where[letter] for letter in self.axes.names)

    def _ordered(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Bring stored axes to (C, (Z), Y, X)."""
        order = [self.axes.index(a) for a in "tczyx" if self.axes.has(a)]
        array = stored.transpose(order)
        if self.axes.has("t"):
            array = array[0]
        return array if self.has_channel_axis else array[np.newaxis]

    def _clean(self, array: NDArray[Any]) -> NDArray[Any]:
        array = np.ascontiguousarray(array, dtype=self.dtype)
        if self.nan_as is None or self.dtype.kind != "f":
            return array
        return np.where(np.isfinite(array), array, self.dtype.type(self.nan_as))


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


def _chunk_of(array: Readable) -> tuple[int, ...] | None:
    # Dask calls them `chunksize` and uses `chunks` for something else.
    chunk = getattr(array, "chunksize", None) or getattr(array, "chunks", None)
    if chunk is None or not all(isinstance(n, int | np.integer) for n in chunk):
        return None
    return tuple(int(n) for n in chunk)


def _streaming_block(shape: Sequence[int], chunk: Sequence[int], channels: int) -> tuple[int, ...]:
    """Grow a chunk along the fastest axes until it holds enough voxels."""
    block = [min(c, n) for c, n in zip(chunk, shape, strict=True)]
    for axis in reversed(range(len(shape))):
        room = _STREAMED_VOXELS // (math.prod(block) * channels)
        if room > 1:
            block[axis] = min(shape[axis], block[axis] * room)
    return tuple(max(1, b) for b in block)
