"""Files of an annotation: made once, with complete metadata, and opened again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, LabelClass
from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.images.annotation import whole_numbers
from napari_ziggurat.images.annotation_store.chunks import Voxels
from napari_ziggurat.images.annotation_store.drawn_on import DrawnOn
from napari_ziggurat.images.annotation_store.names import stated_classes
from napari_ziggurat.images.disk import flush
from napari_ziggurat.images.grid import OutputGrid
from napari_ziggurat.images.marks import OURS, is_annotation, marked
from napari_ziggurat.images.zarr_output import create_output, open_output

__all__ = ["annotation_attributes", "annotation_grid", "check_values", "make_files", "open_array"]

# A quarter of a million voxels: strokes lie in planes, so a chunk is wide and flat.
_CHUNKS = {2: (512, 512), 3: (16, 128, 128)}


def make_files(path: Path, drawn_on: DrawnOn, classes: Sequence[LabelClass]) -> None:
    """Make the OME-Zarr of an empty annotation.

    Raises
    ------
    ExistsError
        There is something at the path.
    InputError
        The classes do not fit, or the folder cannot be written.
    """
    create_output(
        path,
        annotation_grid(drawn_on),
        kind="labels",
        classes=stated_classes(classes),
        attributes={OURS: drawn_on.model_dump(mode="json")},
    )
    for document in (*path.rglob("*.json"), *path.rglob(".z*")):
        flush(document)
    flush(path.parent)


def annotation_grid(drawn_on: DrawnOn) -> OutputGrid:
    """Give the grid of an annotation: one level, a file for each chunk."""
    axes, level = drawn_on.array_axes, drawn_on.grid
    chunk = (1,) * (axes.ndim - axes.dims) + _CHUNKS[axes.dims]
    return OutputGrid(
        axes=axes,
        shape=drawn_on.array_shape,
        dtype=np.dtype(np.uint8),
        spacing=level.spacing,
        translation=level.translation,
        chunk=chunk,
        shard=chunk,
        pyramid=False,
    )


def annotation_attributes(path: Path) -> dict[str, Any]:
    """Read the record of an annotation.

    Raises
    ------
    MissingError
        There is no annotation at the path.
    InputError
        Its metadata are damaged.
    """
    if not is_annotation(path):
        what = "no annotation, but something else" if path.exists() else "nothing"
        raise MissingError(
            f"There is {what} at {path}. Make an annotation with 'ziggurat annotation create', or "
            "of label files with 'ziggurat annotation import'."
        )
    if not (found := marked(path)):
        raise InputError(
            f"The metadata of the annotation '{path}' are damaged, or another program has replaced "
            "them; what was painted is there. Restore zarr.json (or .zattrs) from a copy."
        )
    return found


def open_array(path: Path) -> Any:
    """Open the array of an annotation."""
    try:
        return open_output(path)[0]
    except KeyError:
        raise InputError(
            f"'{path}' was interrupted while it was made, and nothing is painted in it yet. Remove "
            "the folder and make it again."
        ) from None


def check_values(values: Any) -> Voxels:
    """Give values as they are stored; refuse what is no value of an annotation.

    Raises
    ------
    InputError
        A value is not 0 to 255.
    """
    numbers = whole_numbers(np.asarray(values), "An annotation")
    largest = int(numbers.max(initial=0))
    if largest > EXPLICIT_BACKGROUND:
        raise InputError(
            "An annotation holds 0 (unlabelled), 1 to 254 (a class) and 255 (background); got "
            f"{largest}. Number the classes anew."
        )
    return numbers.astype(np.uint8)
