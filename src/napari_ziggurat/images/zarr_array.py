"""ZarrArray: a zarr array that is read, which knows its gaps and whether it is still there."""

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.images.fast import open_fast
from napari_ziggurat.images.image import Readable

__all__ = ["ZarrArray"]

Key = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class ZarrArray:
    """A zarr array behind the protocol of readable arrays.

    Attributes
    ----------
    array : zarr.Array
        The array as zarr-python opened it.
    """

    array: "zarr.Array[Any]"

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values as stored."""
        return self.array.dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a chunk: the least that is decoded."""
        return self.array.chunks

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of a shard; None where each chunk is a file."""
        return self.array.shards

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        plain = _is_plain(key, self.shape)
        return np.asarray(self._fast[key] if plain and self._fast is not None else self.array[key])

    def problem(self) -> str | None:
        """Say why the metadata can no longer be read; None while they can."""
        try:
            if self._folder is not None:
                self._document(self._folder).read_bytes()
            else:
                version = self.array.metadata.zarr_format
                zarr.open_array(
                    self.array.store, path=self.array.path, zarr_format=version, mode="r"
                )
        except FileNotFoundError:
            return "its metadata are not there any more"
        except ZigguratError:
            raise
        except Exception as error:  # stores of other people raise what they like
            return str(error).rstrip(".")
        return None

    def gap(self, key: Key) -> Any:
        """Give the value of a box in which nothing is stored.

        None where something is, and where that is not known: for what is not on a local disk.
        """
        if self._folder is None:
            return None
        grid = self.shards or self.chunks
        spans = [range(k.start // n, -(-k.stop // n)) for k, n in zip(key, grid, strict=True)]
        if any(self._any_stored(row, spans[-1]) for row in itertools.product(*spans[:-1])):
            return None
        fill = self.array.fill_value
        return np.zeros((), self.dtype)[()] if fill is None else fill

    @cached_property
    def _folder(self) -> Path | None:
        store = self.array.store
        return store.root / self.array.path if isinstance(store, LocalStore) else None

    @cached_property
    def _fast(self) -> Readable | None:
        return None if self._folder is None else open_fast(self.array, self._folder)

    def _document(self, folder: Path) -> Path:
        return folder / ("zarr.json" if self.array.metadata.zarr_format == 3 else ".zarray")

    def _any_stored(self, row: tuple[int, ...], places: range) -> bool:
        """Look for the chunks of a row; where their folder is not there, none of them is."""
        if not places:
            return False
        first = self._chunk_file((*row, places[0]))
        if not _may_exist(first.parent):
            return False
        return any(_may_exist(self._chunk_file((*row, place))) for place in places)

    def _chunk_file(self, place: tuple[int, ...]) -> Path:
        return Path(str(self._folder), self.array.metadata.encode_chunk_key(place))


def _may_exist(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # reading says what is wrong
    return True


def _is_plain(key: Any, shape: tuple[int, ...]) -> bool:
    """Tell whether a key is a box: other keys mean other things to other libraries."""
    return isinstance(key, tuple) and len(key) == len(shape) and all(map(_is_span, key, shape))


def _is_span(part: Any, length: int) -> bool:
    if not isinstance(part, slice) or part.step not in (None, 1):
        return False
    (start, stop) = (0 if part.start is None else part.start, part.stop)
    return 0 <= start <= (length if stop is None else stop) <= length
