"""Names: what the classes of an annotation are called, and their colours."""

import re
from collections.abc import Sequence
from pathlib import Path

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, MAX_CLASS, LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.images.class_names import classes_in
from napari_ziggurat.images.disk import flush
from napari_ziggurat.images.ome_zarr import image_attributes
from napari_ziggurat.images.zarr_metadata import class_attributes
from napari_ziggurat.images.zarr_output import read_attributes, write_attributes

__all__ = ["read_classes", "stated_classes", "write_classes"]

_BACKGROUND = LabelClass(EXPLICIT_BACKGROUND, "background", "#808080")


def read_classes(path: Path) -> tuple[LabelClass, ...]:
    """Read the classes that were named, without background."""
    attributes = image_attributes(read_attributes(path))
    return tuple(c for c in classes_in(attributes) if c.value != EXPLICIT_BACKGROUND)


def write_classes(path: Path, classes: Sequence[LabelClass]) -> None:
    """Replace names and colours; the file of metadata is replaced in one step."""
    attributes = read_attributes(path)
    content = class_attributes(stated_classes(classes))
    write_attributes(path, {"ome": {"image-label": content}} if "ome" in attributes
                     else {"image-label": content})  # fmt: skip
    for name in ("zarr.json", ".zattrs"):
        if (path / name).exists():
            flush(path / name)


def stated_classes(classes: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    """Give what is written: the classes in order, and background with its value.

    Raises
    ------
    InputError
        A value is not 1 to 254 or occurs twice, as does a name; a colour is no ``#rrggbb``.
    """
    named = sorted((c for c in classes if c.value != EXPLICIT_BACKGROUND), key=lambda c: c.value)
    for each in named:
        _check(each)
    _check_twice("value", [str(c.value) for c in named])
    _check_twice("name", [c.name for c in named])
    return (*named, _BACKGROUND)


def _check_twice(what: str, found: Sequence[str]) -> None:
    if twice := [each for each in found if found.count(each) > 1]:
        raise InputError(f"Each class has a {what} of its own; {twice[0]} is given twice.")


def _check(each: LabelClass) -> None:
    if not 1 <= each.value <= MAX_CLASS:
        raise InputError(
            f"Class values are 1 to {MAX_CLASS} (0 is unlabelled, 255 background); got "
            f"{each.value} for '{each.name}'."
        )
    if not each.name.strip():
        raise InputError(f"Class {each.value} needs a name.")
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", each.color):
        raise InputError(
            f"A colour is # and six digits, such as #ee6677; got '{each.color}' for '{each.name}'."
        )
