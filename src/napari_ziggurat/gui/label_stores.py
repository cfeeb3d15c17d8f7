"""Label stores: what an OME-Zarr says about labels: which there are, and what their values mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_ziggurat.classes import LabelClass, default_classes
from napari_ziggurat.errors import ZigguratError

__all__ = ["is_label_store", "label_stores", "stored_classes"]


def label_stores(path: Path) -> list[Path]:
    """List the label images that lie in an image."""
    folder = path / "labels"
    return [folder / name for name in _attributes(folder).get("labels", [])]


def is_label_store(path: Path) -> bool:
    """Tell whether an image says that it is labels."""
    return "image-label" in _attributes(path)


def stored_classes(path: Path) -> tuple[LabelClass, ...]:
    """Classes of a label image; none where it gives its values no colours."""
    about = _attributes(path).get("image-label", {})
    colors = {c["label-value"]: c.get("rgba") for c in about.get("colors") or []}
    names = {p["label-value"]: p.get("name") for p in about.get("properties") or []}
    return tuple(
        LabelClass(c.value, names.get(c.value) or c.name, _color(colors[c.value]) or c.color)
        for c in default_classes([value for value in colors if value > 0])
    )


def _attributes(path: Path) -> Mapping[str, Any]:
    """Attributes of a group, from ``ome`` (0.5) or beside it (0.4); empty where it is no group."""
    from napari_ziggurat.images import read_attributes

    try:
        attributes = read_attributes(path)
    except (ZigguratError, ValueError):  # zarr raises the latter for a single array
        return {}
    found: Mapping[str, Any] = attributes.get("ome", attributes)
    return found


def _color(rgba: Any) -> str | None:
    return "#{:02x}{:02x}{:02x}".format(*rgba[:3]) if rgba else None
