"""Place: where the annotation of an image lies unless somebody says otherwise."""

from pathlib import Path

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.files import stem
from napari_ziggurat.images.image import Image

__all__ = ["default_place"]


def default_place(image: Image, name: str = "annotation") -> Path:
    """Give the place of an image's annotation: ``IMAGE.annotation.ome.zarr`` beside it.

    Not inside it, though it may be put there: whoever converts an image anew replaces its folder,
    and the standard wants labels inside an image to have as many levels as the image has.

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
    return source.with_name(f"{stem(source)}.{name}.ome.zarr")
