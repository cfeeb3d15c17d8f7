"""Holder: one process writes an annotation, and the others can tell which one."""

import getpass
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from napari_ziggurat.errors import ExistsError

__all__ = ["Holder", "now", "user_name"]


class Holder:
    """The right to write an annotation; it ends with the process, however that ends.

    Parameters
    ----------
    folder : Path
        Where the lock lies.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / "lock", timeout=0, thread_local=False)
        self._note = folder / "holder.json"

    @property
    def held(self) -> bool:
        """Tell whether this process may write."""
        return bool(self._lock.is_locked)

    def take(self, store: Path, who: str) -> None:
        """Take the right to write.

        Raises
        ------
        ExistsError
            Somebody else has it: the message says on which machine, which process, since when.
        """
        try:
            self._lock.acquire()
        except Timeout:
            raise ExistsError(
                f"'{store}' is being annotated by {self._other()}. Reading it is possible; to "
                "write, close it there first."
            ) from None
        note = {"who": who, "host": platform.node(), "pid": os.getpid(), "since": now()}
        # Only said to others: whether it is true the lock alone decides.
        self._note.write_text(json.dumps(note), encoding="utf-8")

    def give_back(self) -> None:
        """Let others write."""
        if self.held:
            self._note.unlink(missing_ok=True)
            self._lock.release()

    def _other(self) -> str:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return f"{note['who']} on {note['host']} (process {note['pid']}, since {note['since']})"
        except (OSError, ValueError, KeyError, TypeError):  # it has taken the lock just now
            return "another process"


def now() -> str:
    """Give the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def user_name() -> str:
    """Name of the person, as the system knows it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a user
        return "unknown"
