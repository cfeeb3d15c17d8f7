"""Ledger: strokes one after the other, each there wholly or not at all, whatever happens."""

import errno
import logging
import os
import platform
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from napari_ziggurat.errors import ExistsError, InputError, MissingError, WorkFailed
from napari_ziggurat.geometry import Box
from napari_ziggurat.images.annotation_store.chunks import Chunks, Index, Voxels
from napari_ziggurat.images.annotation_store.drafts import Drafts, pending
from napari_ziggurat.images.annotation_store.history import History, Kind, Record
from napari_ziggurat.images.annotation_store.holder import Holder, now
from napari_ziggurat.images.annotation_store.tally import Tally

__all__ = ["Change", "Ledger", "Said"]

logger = logging.getLogger(__name__)

Change = Callable[[Index, Voxels], Voxels]
"""From a chunk's place and voxels to what they shall be; what it is given stays as it is."""

Said = tuple[Kind, Box, str]
"""What is said of a stroke: its kind, where it was drawn, a note."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Ledger:
    """The chunks of an annotation with their history.

    Parameters
    ----------
    store : Path
        The OME-Zarr.
    chunks : Chunks
        Its files.
    who : str
        Who paints.

    Attributes
    ----------
    history : History
        Of all strokes that count.
    guard : RLock
        Held while something changes: the thread of a window paints while others read.
    """

    def __init__(self, store: Path, chunks: Chunks, who: str) -> None:
        self._store = store
        self._chunks = chunks
        self._who = who
        self._folder = store / ".ziggurat"
        self._holder = Holder(self._folder)
        self.history = History(self._folder / "history.jsonl")
        self._late: list[Drafts] = []  # strokes that count and are not in their places yet
        self.guard = threading.RLock()

    @property
    def writable(self) -> bool:
        """Tell whether this process may write."""
        return self._holder.held

    def start_writing(self) -> None:
        """Take the right to write, and finish what a crash interrupted.

        Raises
        ------
        ExistsError
            Another process has it.
        InputError
            The folder cannot be written.
        """
        try:
            self._folder.mkdir(exist_ok=True)
            self._holder.take(self._store, self._who)
            self._recover()
        except ExistsError:
            raise
        except OSError as error:
            self.stop_writing()
            raise InputError(
                f"'{self._store}' cannot be written ({error.strerror}). Open it for reading, or "
                "make an annotation at a place that you may write to."
            ) from error

    def stop_writing(self) -> None:
        """Let others write."""
        self._holder.give_back()

    def finish_for_readers(self) -> None:
        """Finish an interrupted stroke, unless somebody is writing or the folder is read-only."""
        if not pending(self._pending, self._chunks):
            return
        try:
            self.start_writing()
        except ExistsError:
            return  # no crash: it is being written
        except InputError:  # it is read from where it is
            found = pending(self._pending, self._chunks)
            self._late = [each for each in found if each.number <= self.history.last]
        self.stop_writing()

    def read(self, index: Index) -> Voxels | None:
        """Read the voxels of a chunk; None where nothing is stored."""
        for drafts in tuple(self._late):
            # It may be renamed to its place while another thread reads.
            with suppress(FileNotFoundError):
                return self._chunks.read_file(index, drafts.path(index))
        return self._chunks.read(index)

    def edit(self, indices: Iterable[Index], change: Change, said: Said) -> Record:
        """Change chunks in one stroke.

        Parameters
        ----------
        indices : iterable of tuple of int
            Chunks, each once.
        change : callable
            From the place of a chunk and its voxels to what they shall be.
        said : tuple
            Kind, box and note.

        Raises
        ------
        InputError
            This store was opened for reading, or a file is damaged.
        WorkFailed
            The disk is full, or the system refuses: nothing has changed.
        """
        with self.guard:
            self.check_writable()
            self.check_present()
            drafts = Drafts(self._pending / str(self.history.last + 1), self._chunks)
            try:
                self._put_late()
                drafts.clear()
                tally = self._draft(drafts, indices, change)
                record = self._record(drafts.number, tally, said)
                self.history.append(record)
            except OSError as error:
                if isinstance(error, MissingError):
                    raise
                raise _not_saved(self._store, error) from error
            finally:
                self._decide(drafts)
            self._try_to_put_late()
            return record

    def check_writable(self) -> None:
        """Refuse to write what was opened for reading."""
        if not self.writable:
            raise InputError(
                f"'{self._store}' was opened for reading; open it with write=True to paint."
            )

    def check_present(self) -> None:
        """Refuse to take a folder that was deleted or unmounted for one without a stroke."""
        if not any((self._chunks.folder / mark).exists() for mark in ("zarr.json", ".zarray")):
            raise MissingError(f"The annotation '{self._store}' has vanished; bring it back.")

    @property
    def _pending(self) -> Path:
        return self._folder / "pending"

    def _recover(self) -> None:
        """Finish the stroke that counts, take away one that does not; nobody else may write."""
        self.history.mend()
        self.history = History(self._folder / "history.jsonl")
        for drafts in pending(self._pending, self._chunks):
            self._decide(drafts)
        self._try_to_put_late()

    def _decide(self, drafts: Drafts) -> None:
        """Keep the drafts of a stroke that counts, and take others away."""
        if drafts.number <= self.history.last:
            self._late.append(drafts)
        else:
            drafts.discard()

    def _put_late(self) -> None:
        """Put strokes that count in their places."""
        while self._late:
            self._late[0].put_in_place()
            del self._late[0]

    def _try_to_put_late(self) -> None:
        """Put strokes in their places; those that cannot be are read from where they are."""
        try:
            self._put_late()
        except OSError as error:
            logger.warning(
                "The last stroke of '%s' is safe, but other programs do not see all of it yet: %s. "
                "It gets to its place with the next stroke, or when the annotation is opened.",
                self._store,
                error.strerror,
            )

    def _draft(self, drafts: Drafts, indices: Iterable[Index], change: Change) -> Tally:
        tally = Tally()
        for index in indices:
            box = self._chunks.box(index)
            stored = self.read(index)
            old = np.zeros(box.shape, np.uint8) if stored is None else stored
            new = change(index, old)
            if tally.add(box.start, old, new):
                drafts.add(index, new)
        drafts.flush()
        return tally

    def _record(self, number: int, tally: Tally, said: Said) -> Record:
        (kind, box, note) = said
        return Record(
            number=number,
            when=now(),
            who=self._who,
            host=platform.node(),
            kind=kind,
            box=box if tally.box is None or kind == "complete" else tally.box,
            painted=dict(sorted(tally.painted.items())),
            contradicted=tally.contradicted,
            note=note,
        )


def _not_saved(store: Path, error: OSError) -> WorkFailed:
    full = error.errno in _FULL
    reason = "the disk is full" if full else os.strerror(error.errno or errno.EIO)
    return WorkFailed(
        f"The stroke was not saved in '{store}': {reason}. All earlier ones are there as they "
        "were. Make room, and do it again."
    )
