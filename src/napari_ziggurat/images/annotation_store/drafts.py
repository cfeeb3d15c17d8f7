"""Drafts: the chunks of one stroke before it counts, and how they get to their places.

    drafts on the disk  ->  line in the history  ->  each draft renamed to its place
                        |                        |
    a crash before:  the stroke never was        a crash after:  the rest is renamed when the
                                                 annotation is opened again

So a stroke of many chunks is there whole or not at all, and no earlier one is touched.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from napari_ziggurat.images.annotation_store.chunks import Chunks, Index, Voxels
from napari_ziggurat.images.disk import flush, flush_all

__all__ = ["Drafts", "pending"]


class Drafts:
    """The changed chunks of one stroke, in a folder of their own.

    Parameters
    ----------
    folder : Path
        Of this stroke; its name is the stroke's number.
    chunks : Chunks
        Where they belong.
    """

    def __init__(self, folder: Path, chunks: Chunks) -> None:
        self.folder = folder
        self._chunks = chunks

    @property
    def number(self) -> int:
        """Number of the stroke."""
        return int(self.folder.name)

    def add(self, index: Index, voxels: Voxels) -> None:
        """Write what a chunk will be; an empty file stands for one that will not be stored."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path(index).write_bytes(self._chunks.encode(index, voxels))

    def path(self, index: Index) -> Path:
        """Name the draft of a chunk."""
        return self.folder / ".".join(map(str, index))

    def flush(self) -> None:
        """Wait until all drafts are on the disk, and make the folders that they will go to."""
        if not self.folder.exists():
            return
        drafts = list(self.folder.iterdir())
        flush_all(drafts)
        for folder in {self._place(draft).parent for draft in drafts}:
            # Now rather than later: on a full disk this fails before the stroke counts.
            self._make_folder(folder)
        flush(self.folder)
        flush(self.folder.parent)

    def put_in_place(self) -> None:
        """Give each draft the name of its chunk; what was done before is not done again."""
        if not self.folder.exists():
            return
        flush_all({self._put(draft).parent for draft in list(self.folder.iterdir())})
        self.folder.rmdir()

    def clear(self) -> None:
        """Begin with nothing: a leftover would become part of another stroke."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def discard(self) -> None:
        """Take away what is left of a stroke that does not count."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _put(self, draft: Path) -> Path:
        place = self._place(draft)
        self._make_folder(place.parent)
        if draft.stat().st_size:
            draft.replace(place)
        else:
            place.unlink(missing_ok=True)
            draft.unlink()
        return place

    def _make_folder(self, folder: Path) -> None:
        """Make a folder inside that of the array, with those above it, on the disk."""
        if folder.exists():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush(folder.parent)

    def _place(self, draft: Path) -> Path:
        return self._chunks.path(tuple(int(n) for n in draft.name.split(".")))


def pending(folder: Path, chunks: Chunks) -> list[Drafts]:
    """List the strokes whose drafts lie there: those that a crash, or a full disk, interrupted."""
    with suppress(FileNotFoundError):
        return [Drafts(each, chunks) for each in folder.iterdir() if each.name.isdecimal()]
    return []
