"""Stores: what an OME-Zarr lies in, which label images it holds, which classes they state."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import ZigguratError

if TYPE_CHECKING:
    from napari_ziggurat.images import Image, Source

__all__ = ["is_label_store", "is_store", "label_stores", "outermost_store", "stated_classes"]

_MARKS = ("zarr.json", ".zgroup", ".zarray")


def is_store(path: Path) -> bool:
    """Tell whether a folder holds zarr, such as labels inside an image, which have no suffix."""
    return any((path / mark).is_file() for mark in _MARKS)


def outermost_store(path: Path) -> Path:
    """Give the store that a path lies in, such as the plate of a well; else the path itself."""
    inside = [parent for parent in path.parents if is_store(parent)]
    return inside[-1] if inside else path


def label_stores(path: "Source") -> "list[Source]":
    """List the label images that lie in an image."""
    folder = path / "labels"
    return [folder / name for name in _attributes(folder).get("labels", [])]


def is_label_store(path: "Source") -> bool:
    """Tell whether an image says that it is labels."""
    return "image-label" in _attributes(path)


def stated_classes(labels: "Image") -> tuple[LabelClass, ...]:
    """Classes of a label image; none where it gives its values no colours."""
    from napari_ziggurat.images.class_names import named_classes

    about = _attributes(labels.source).get("image-label") if labels.source else None
    values = [each["label-value"] for each in (about or {}).get("colors") or []]
    return named_classes(labels, [value for value in values if value > 0])


def _attributes(path: "Source") -> Mapping[str, Any]:
    """Attributes of a group, from ``ome`` (0.5) or beside it (0.4); empty where it is no group."""
    from napari_ziggurat.images import read_attributes

    try:
        attributes = read_attributes(path)
    except (ZigguratError, ValueError):  # zarr raises the latter for a single array
        return {}
    found: Mapping[str, Any] = attributes.get("ome", attributes)
    return found
