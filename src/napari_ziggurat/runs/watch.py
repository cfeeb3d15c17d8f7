"""Watch: how much memory this process holds, now and at most while something runs."""

import ctypes
import sys
import threading
from typing import Self

import psutil

__all__ = ["MemoryWatch", "resident_memory"]

_EVERY = 0.003  # seconds between two looks at the memory


def resident_memory() -> int:
    """Bytes that this process holds, after what was freed went back to the system."""
    if sys.platform == "linux":
        # glibc keeps freed memory; other C libraries have no such call, and keep less.
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)(0)
    return int(psutil.Process().memory_info().rss)


class MemoryWatch:
    """Looks at the memory of this process while something runs.

    Attributes
    ----------
    peak : int
        Most bytes that were seen.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        process = psutil.Process()
        while not self._over.wait(_EVERY):
            self.peak = max(self.peak, process.memory_info().rss)
