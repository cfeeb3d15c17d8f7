"""Marks: what we say of a store among its attributes, found without opening it."""

import json
from pathlib import Path
from typing import Any

__all__ = ["ANNOTATION", "OURS", "is_annotation"]

OURS = "ziggurat"
"""Key among the attributes."""
ANNOTATION = "annotation"
"""What is said there under ``content`` of a store that is painted on."""


def is_annotation(path: Path) -> bool:
    """Tell whether a folder is an annotation: whoever replaces it takes work away."""
    said = _attributes(path).get(OURS)
    return isinstance(said, dict) and said.get("content") == ANNOTATION


def _attributes(path: Path) -> dict[str, Any]:
    """Attributes of a zarr group, of version 3 or 2; none where there are none."""
    for name, key in (("zarr.json", "attributes"), (".zattrs", None)):
        try:
            document = json.loads((path / name).read_text(encoding="utf-8"))
            found = document[key] if key else document
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return found if isinstance(found, dict) else {}
    return {}
