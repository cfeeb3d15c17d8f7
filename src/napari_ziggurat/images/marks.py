"""Marks: what we say of a store among its attributes, found without opening it."""

import json
from pathlib import Path
from typing import Any

__all__ = [
    "ANNOTATION",
    "HISTORY",
    "OBJECTS",
    "OURS",
    "is_annotation",
    "marked",
]

OURS = "ziggurat"
"""Key among the attributes."""
ANNOTATION = "annotation"
"""What is said there under ``content`` of a store that is painted on."""
OBJECTS = "objects"
"""What is said there of labels each of which is one object."""
HISTORY = ".ziggurat/history.jsonl"
"""Where the strokes of such a store are listed."""


def is_annotation(path: Path) -> bool:
    """Tell whether a folder is an annotation: whoever replaces it takes work away.

    One whose metadata are damaged is one as well, as long as its history is there.
    """
    return marked(path).get("content") == ANNOTATION or (path / HISTORY).is_file()


def marked(path: Path) -> dict[str, Any]:
    """Give what we say of a store; nothing where its metadata are not there, or are not ours."""
    said = _attributes(path).get(OURS)
    return said if isinstance(said, dict) else {}


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
