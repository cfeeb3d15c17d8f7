"""Shards: the files of an output, each written whole."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore, StorePath

from napari_ziggurat.images.disk import flush

__all__ = ["files_digest", "stored_files", "write_shards"]

_BUFFER = 2**20


def stored_files(array: Any, slices: Sequence[slice]) -> Iterator[Path]:
    """Name the files that voxels of an output lie in, whether they are there or not.

    A shard without a voxel other than 0 is not stored.

    Parameters
    ----------
    array : zarr.Array
        One of the levels that `open_output` gives.
    slices : sequence of slice
        One for each axis; the files that these voxels lie in.
    """
    return (path for path, _ in _shards(array, slices))


def write_shards(array: Any, slices: Sequence[slice], voxels: NDArray[Any], draft: Path) -> None:
    """Write whole shards, each in full, on the disk before it gets its name.

    What lies there is replaced and never read: zarr reads a shard before it writes it, and would
    stumble over a damaged one.

    Parameters
    ----------
    array : zarr.Array
        One of the levels that `open_output` gives.
    slices : sequence of slice
        One for each axis, along the borders of shards.
    voxels : ndarray
        The shape of the slices.
    draft : Path
        Folder of this process on the same disk, in which files are written first.
    """
    place = StorePath(LocalStore(draft), array.path)
    zarr.Array.from_dict(place, array.metadata.to_dict())[tuple(slices)] = voxels
    for path, part in _shards(array, slices):
        if voxels[part].any():
            written = draft / path.relative_to(array.store.root)
            flush(written)
            path.parent.mkdir(parents=True, exist_ok=True)
            written.replace(path)
            flush(path.parent)
        else:  # not stored; a draft that is not there may also have been taken away
            path.unlink(missing_ok=True)


def files_digest(files: Iterable[Path]) -> str:
    """Give a SHA-256 of what is in files; one that is missing counts as such."""
    found = hashlib.sha256()
    for number, path in enumerate(files):
        found.update(f"{number}:".encode())
        _add_file(found, path)
    return found.hexdigest()[:32]


def _add_file(digest: "hashlib._Hash", path: Path) -> None:
    try:
        with path.open("rb") as file:
            while part := file.read(_BUFFER):
                digest.update(part)
    except FileNotFoundError:  # all of its voxels are 0
        digest.update(b"missing")


def _shards(array: Any, slices: Sequence[slice]) -> Iterator[tuple[Path, tuple[slice, ...]]]:
    """Give the file of each shard, and the part of the slices that lies in it."""
    folder = Path(array.store.root) / array.path
    shape = array.shards or array.chunks
    ranges = [
        range(part.start // n, -(-part.stop // n)) for part, n in zip(slices, shape, strict=True)
    ]
    for index in itertools.product(*ranges):
        inside = tuple(
            slice(max(0, i * n - part.start), min(part.stop, (i + 1) * n) - part.start)
            for i, n, part in zip(index, shape, slices, strict=True)
        )
        yield folder / array.metadata.encode_chunk_key(index), inside
