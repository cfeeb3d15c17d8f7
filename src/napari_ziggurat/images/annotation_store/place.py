"""Place: where the annotation of an image lies unless somebody says otherwise."""

import os
from pathlib import Path

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.files import stem
from napari_ziggurat.images.image import Image
from napari_ziggurat.images.zarr_output import holds_image_group

__all__ = ["default_place"]


def default_place(image: Image, name: str = "annotation") -> Path:
    """Give the place of an image's annotation.

    It is ``IMAGE.ome.zarr/labels/NAME`` in an OME-Zarr that may be written to, otherwise
    ``IMAGE.NAME.ome.zarr`` beside the file.

    Raises
    ------
    InputError
        The image is on a server or in memory, and has no place of its own.
    """
    source = image.source
    if not isinstance(source, Path):
        where = "in memory" if source is None else f"at {source}"
        raise InputError(
            f"'{image.name}' is {where}, where no annotation can be written beside it. Say where "
            "it goes, for example --annotation strokes.ome.zarr."
        )
    if source.is_dir() and holds_image_group(source) and _may_be_written(source):
        return source / "labels" / name
    return source.with_name(f"{stem(source)}.{name}.ome.zarr")


def _may_be_written(store: Path) -> bool:
    labels = store / "labels"
    return os.access(labels if labels.is_dir() else store, os.W_OK)
