"""Disk: what has to be there also when the power fails a moment later."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["flush", "flush_all"]

_MANY = 4  # files from which on threads are worth their start
_THREADS = 16


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":  # Windows has no such thing for folders
        return
    number = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def flush_all(paths: Iterable[Path]) -> None:
    """Wait until many files are on the disk; the system waits for several at once."""
    found = list(paths)
    if len(found) < _MANY:
        for path in found:
            flush(path)
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(flush, found):
            pass  # an error is raised here
