"""Names and colours of classes, as a label image states them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_ziggurat.classes import LabelClass, default_classes
from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.images.image import Image
from napari_ziggurat.images.ome_zarr import image_attributes
from napari_ziggurat.images.zarr_output import read_attributes

__all__ = ["classes_in", "named_classes", "object_classes"]

_OBJECT = "object"


def named_classes(labels: Image, values: Sequence[int]) -> tuple[LabelClass, ...]:
    """Give each value the name and the colour that an OME-Zarr label image states for it.

    Where nothing is stated, and for other formats, the name and colour follow from the value.
    """
    names, colors = _names_and_colors(_stated(labels))
    return tuple(
        replace(c, name=names.get(c.value, c.name), color=colors.get(c.value, c.color))
        for c in default_classes(values)
    )


def object_classes(labels: Sequence[Image]) -> tuple[LabelClass, ...]:
    """Give the classes of label images whose numbers are objects: background, and what they are.

    Raises
    ------
    InputError
        An image names several numbers: then they are classes.
    """
    for each in labels:
        named = [name for value, name in _names_and_colors(_stated(each))[0].items() if value]
        if len(set(named)) > 1:
            raise InputError(
                f"--task instance takes one number for each object, and '{each.name}' names its "
                f"numbers as classes ({', '.join(named[:4])}): give labels of objects of one "
                "class, or say --task semantic."
            )
    background, thing = default_classes((0, 1))
    return background, replace(thing, name=_OBJECT)


def classes_in(attributes: Mapping[str, Any]) -> tuple[LabelClass, ...]:
    """List the classes that the attributes of a label image name, by value."""
    names, colors = _names_and_colors(dict(attributes.get("image-label") or {}))
    return tuple(
        replace(c, name=names[c.value], color=colors.get(c.value, c.color))
        for c in default_classes(sorted(names))
    )


def _names_and_colors(stated: Mapping[str, Any]) -> tuple[dict[int, str], dict[int, str]]:
    names = {e["label-value"]: str(e["name"]) for e in stated.get("properties", []) if "name" in e}
    colors = {e["label-value"]: _hex(e["rgba"]) for e in stated.get("colors", []) if "rgba" in e}
    return names, colors


def _stated(labels: Image) -> dict[str, Any]:
    if labels.source is None or (isinstance(labels.source, Path) and not labels.source.is_dir()):
        return {}
    try:
        attributes = read_attributes(labels.source)
    except MissingError:
        return {}
    return dict(image_attributes(attributes).get("image-label") or {})


def _hex(rgba: object) -> str:
    return "#" + bytes(rgba[:3]).hex() if isinstance(rgba, list) else "#ffffff"
