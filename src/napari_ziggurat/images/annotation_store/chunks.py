"""Chunks: the files of an annotation, one for each chunk that was touched."""

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box

__all__ = ["Chunks", "Index", "Voxels"]

Index = tuple[int, ...]
"""Place of a chunk in the grid of chunks, one number per axis."""
Voxels = NDArray[np.uint8]

_CODECS = {"zstd", "bytes"}


class Chunks:
    """The chunks of an array of uint8 on a local disk: one file each, none where nothing is.

    Files are read and encoded without zarr's machinery, which takes thirty times longer for a chunk
    and more still for one that is not there.

    Parameters
    ----------
    array : zarr.Array
        Opened from a folder.

    Raises
    ------
    InputError
        It is not stored as annotations are: another program has written it anew.
    """

    def __init__(self, array: Any) -> None:
        self.folder = Path(array.store.root) / array.path
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.chunk: tuple[int, ...] = tuple(array.chunks)
        self._metadata = array.metadata
        self._codec = Zstd(level=1, checksum=True)
        _check_storage(array, self.folder)

    def path(self, index: Index) -> Path:
        """Name the file of a chunk, whether it is there or not."""
        key = str(self._metadata.encode_chunk_key(index))
        return Path(self.folder, key)

    def box(self, index: Index) -> Box:
        """Voxels of a chunk that lie in the array."""
        start = tuple(i * n for i, n in zip(index, self.chunk, strict=True))
        stop = tuple(a + n for a, n in zip(start, self.chunk, strict=True))
        return Box(start, stop).intersect(Box.whole(self.shape))

    def within(self, box: Box) -> Iterator[Index]:
        """List the chunks that a box lies in; those of an empty box are none."""
        ranges = [
            range(a // n, -(-b // n)) if b > a else range(0)
            for a, b, n in zip(box.start, box.stop, self.chunk, strict=True)
        ]
        return itertools.product(*ranges)

    def stored(self) -> Iterator[Index]:
        """List the chunks that exist, from the names in the folder; in order."""
        root = self.folder / "c" if self._metadata.zarr_format == 3 else self.folder
        return _indices(root, len(self.shape))

    def read(self, index: Index) -> Voxels | None:
        """Read the voxels of a chunk that lie in the array; None where nothing is stored.

        Raises
        ------
        InputError
            The file is damaged.
        """
        try:
            return self.read_file(index, self.path(index))
        except FileNotFoundError:
            return None

    def read_file(self, index: Index, path: Path) -> Voxels:
        """Read a chunk from a file anywhere; an empty one stands for a chunk that is not stored.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        InputError
            The file is damaged.
        """
        content = path.read_bytes()
        shape = self.box(index).shape
        if not content and path != self.path(index):
            return np.zeros(shape, np.uint8)
        return self._decode(content, path)[Box.whole(shape).slices]

    def encode(self, index: Index, voxels: Voxels) -> bytes:
        """Give the content of a chunk's file; nothing for a chunk that is not stored."""
        if not voxels.any():
            return b""
        whole = np.zeros(self.chunk, np.uint8)
        whole[Box.whole(self.box(index).shape).slices] = voxels
        return bytes(self._codec.encode(whole))

    def _decode(self, content: bytes, path: Path) -> Voxels:
        try:
            flat = np.frombuffer(self._codec.decode(content), np.uint8)
            return flat.reshape(self.chunk).copy()
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"{path} is damaged ({str(error).splitlines()[0]}). Restore this file from a copy; "
                "if you remove it, its voxels are unlabelled. All others are not touched."
            ) from error


def _check_storage(array: Any, folder: Path) -> None:
    names = {type(codec).__name__.removesuffix("Codec").lower() for codec in _codecs_of(array)}
    plain = array.dtype == np.uint8 and array.shards is None and names <= _CODECS
    if not plain or not any("zstd" in name for name in names):
        raise InputError(
            f"{folder} is not stored as annotations are (uint8, zstd, one file per chunk): another "
            "program has written it anew. Import it into a new one: ziggurat annotation import."
        )


def _codecs_of(array: Any) -> Sequence[object]:
    if array.metadata.zarr_format == 3:
        return tuple(array.metadata.codecs)
    return (array.metadata.compressor,)


def _indices(folder: Path, depth: int) -> Iterator[Index]:
    names = _numbers(folder)
    if depth == 1:
        yield from ((number,) for number in names)
        return
    for number in names:
        for rest in _indices(folder / str(number), depth - 1):
            yield (number, *rest)


def _numbers(folder: Path) -> list[int]:
    """Names in a folder that are numbers, in order; other files are none of ours."""
    try:
        with os.scandir(folder) as entries:
            return sorted(int(entry.name) for entry in entries if entry.name.isdecimal())
    except (FileNotFoundError, NotADirectoryError):
        return []
