"""Leases: who works on what, told through files that many machines see.

A lease is a file that its holder touches again and again. One that was not touched for a while
belongs to a process that died, and somebody else may take it. Two processes that hold the same
lease for a moment do no harm: they write the same bytes.
"""

import os
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["Leases"]

_HEARTBEAT = 5.0
_EXPIRES = 30.0


class Leases:
    """The leases that this process holds in a folder; a context manager that gives them back.

    Parameters
    ----------
    folder : Path
        Made when it is not there.
    heartbeat, expires : float
        Seconds between two signs of life, and after which a holder counts as dead.
    """

    def __init__(
        self, folder: Path, *, heartbeat: float = _HEARTBEAT, expires: float = _EXPIRES
    ) -> None:
        self._folder = folder
        self._heartbeat, self._expires = heartbeat, expires
        self._name = uuid.uuid4().hex
        self._held: set[Path] = set()
        self._over = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._live, name="ziggurat-leases", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for path in list(self._held):
            self._release(path)
        for path in self._folder.glob("*"):
            if self._is_dead(path):
                path.unlink(missing_ok=True)
        (self._folder / f"{self._name}.clock").unlink(missing_ok=True)
        with suppress(OSError):  # others are at work there
            self._folder.rmdir()

    def take(self, what: str) -> bool:
        """Try to get a lease; tell whether it is ours now."""
        path = self._folder / what
        if not self._create(path) and not (self._is_dead(path) and self._take_over(path)):
            return False
        self._held.add(path)
        return True

    def give_back(self, what: str) -> None:
        """End a lease if it is ours."""
        if (path := self._folder / what) in self._held:
            self._release(path)

    def _create(self, path: Path) -> bool:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)  # whoever left last has removed it
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        except FileNotFoundError:  # removed in between
            return self._create(path)
        return True

    def _is_dead(self, path: Path) -> bool:
        try:
            return self._now() - path.stat().st_mtime > self._expires
        except FileNotFoundError:  # given back just now; it can be had at the next try
            return False

    def _take_over(self, path: Path) -> bool:
        """Move a dead lease away; of several who try, one finds it."""
        aside = path.with_name(f"{path.name}.{self._name}.dead")
        try:
            path.rename(aside)
        except FileNotFoundError:
            return False
        alive = not self._is_dead(aside)  # somebody else took it over since we looked
        if alive:
            with suppress(OSError):  # a third was faster
                os.link(aside, path)
        aside.unlink(missing_ok=True)
        return not alive and self._create(path)

    def _now(self) -> float:
        """Tell the time of the file system: clocks of machines differ."""
        clock = self._folder / f"{self._name}.clock"
        self._folder.mkdir(parents=True, exist_ok=True)
        clock.touch()
        return clock.stat().st_mtime

    def _release(self, path: Path) -> None:
        self._held.discard(path)
        path.unlink(missing_ok=True)

    def _live(self) -> None:
        while not self._over.wait(self._heartbeat):
            for path in list(self._held):
                with suppress(OSError):  # taken over, or a file system that is slow to answer
                    os.utime(path)
