"""What a run left on the disk, in a form that can be compared."""

import hashlib
from pathlib import Path


def files_of(store: Path) -> dict[str, str]:
    """SHA-256 of every file of the arrays in an OME-Zarr; journals and attributes stay out."""
    arrays = (p for p in sorted(store.rglob("*")) if p.is_file() and ".ziggurat" not in p.parts)
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in arrays
        if path.parent != store
    }
