"""Files: what is kept of each block between finding its fragments and numbering objects."""

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.images.disk import flush
from napari_ziggurat.inference.objects import Faces, Fragments

__all__ = ["Files", "put"]


@dataclass(frozen=True)
class Files:
    """A folder with one file for each block, and the final numbers of all fragments.

    Attributes
    ----------
    folder : Path
        Made when the first file is written.
    """

    folder: Path

    def save(
        self,
        number: int,
        fragments: Fragments,
        faces: Faces,
        more: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    ) -> str:
        """Write what was found in a block; give its digest, once it is on the disk."""
        arrays = {**fragments.arrays(), **faces.planes, **more}
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
        put(self._block(number), content.getvalue())
        return hashlib.sha256(content.getvalue()).hexdigest()[:32]

    def load(self, number: int) -> Fragments:
        """Read the fragments of a block."""
        with np.load(self._block(number)) as found:
            return Fragments(**{each.name: found[each.name] for each in fields(Fragments)})

    def column(self, number: int, name: str) -> NDArray[Any]:
        """Read one column of the fragments of a block."""
        with np.load(self._block(number)) as found:
            column: NDArray[Any] = found[name]
            return column

    @contextmanager
    def opened(self, number: int) -> Iterator[Mapping[str, NDArray[Any]]]:
        """Open what is kept of a block: columns and faces by name; what is looked at is read."""
        with np.load(self._block(number)) as found:
            yield found

    def save_numbers(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays that concern all blocks; whoever reads them need not load them whole."""
        for name, array in arrays.items():
            put(self.folder / f"{name}.npy", _as_npy(array))

    def numbers(self, name: str) -> NDArray[Any]:
        """Give such an array, read from the disk as far as it is looked at."""
        found: NDArray[Any] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return found

    def _block(self, number: int) -> Path:
        return self.folder / str(number // 1000) / f"{number}.npz"


def put(path: Path, content: bytes) -> None:
    """Write a file in full, flush it to the disk, then give it its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    flush(part)
    part.replace(path)
    flush(path.parent)


def _as_npy(array: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()
