"""Disk: what has to be there also when the power fails a moment later."""

import os
from pathlib import Path

__all__ = ["flush", "write_flushed"]


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":  # Windows has no such thing for folders
        return
    number = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def write_flushed(path: Path, content: bytes) -> None:
    """Replace a file in one step: written beside it, on the disk before it gets the name."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    flush(draft)
    draft.replace(path)
    flush(path.parent)
