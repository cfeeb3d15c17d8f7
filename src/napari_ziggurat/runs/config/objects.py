"""What objects are made of, and what is told of them."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.units import convert_length, short_unit
from napari_ziggurat.runs.config.shared import (
    MACHINE,
    OverwriteSetting,
    SourceSettings,
)
from napari_ziggurat.runs.settings import setting
from napari_ziggurat.runs.values import (
    Count,
    ImageSource,
    LocalPath,
    OmeZarrVersion,
    PatchShape,
    Share,
    Task,
)

__all__ = ["ObjectsConfig", "least_voxels"]

_SIZE = re.compile(r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*([^\d\s]\D*?)?\s*([23])?")
_VOXELS = (None, "voxel", "voxels", "px", "pixel", "pixels")


def least_voxels(size: str, spacing: tuple[float, ...], unit: str | None) -> float:
    """Tell how many voxels a size such as ``"50"`` or ``"20um3"`` is.

    Raises
    ------
    InputError
        It is no size, or in a unit that voxels of this spacing are not measured in.
    """
    number, named, power = _parse(size)
    if named in _VOXELS and power is None:
        return number
    volume = 1.0
    for value in spacing:
        length = convert_length(value, unit, short_unit(named))
        if length is None or power != len(spacing):
            wanted = f"{unit}{len(spacing)}" if unit else "voxels: the labels state no unit"
            raise InputError(
                f"--min-size {size} is not in a unit of these labels, which have {len(spacing)} "
                f"spatial axes. Give it in {wanted}."
            )
        volume *= length
    return number / volume


def _parse(size: str) -> tuple[float, str | None, int | None]:
    found = _SIZE.fullmatch(size.strip())
    if found is None:
        raise InputError(
            "A size is a number of voxels, such as 50, or a volume or area, such as 20um3 or "
            f"20um2; got '{size}'."
        )
    return float(found[1]), found[2], int(found[3]) if found[3] else None


def _checked(size: str) -> str:
    _parse(size)
    return size


SizeText = Annotated[str, BeforeValidator(str), AfterValidator(_checked)]


class ObjectsConfig(SourceSettings):
    """What ``ziggurat objects`` does: labels of classes -> labels of objects, and a table."""

    labels: Annotated[
        ImageSource,
        setting("Labels of classes, or the probabilities beside them.", positional=True),
    ]
    out: Annotated[LocalPath, setting("OME-Zarr of the objects to write.")]
    image: Annotated[
        ImageSource | None,
        setting("Image whose grey values are measured in each object."),
    ] = None
    task: Annotated[Task, setting("foreground: every label that is not 0 is class 1.")] = "semantic"
    connectivity: Annotated[
        Literal["full", "face"],
        setting("Voxels touch by faces, edges and corners (full), or by faces alone."),
    ] = "full"
    split: Annotated[
        Share | None,
        setting(
            "How readily what touches is cut at a neck, from 0 (never) to 1; 0 for labels, as "
            "fitted or 0.5 for maps with shapes unless given.",
            metavar="S",
        ),
    ] = None
    foreground: Annotated[
        Share | None,
        setting(
            "Take voxels from this probability of all foreground classes on; as fitted or 0.5 for "
            "maps with shapes, else the most probable class unless given.",
            metavar="P",
        ),
    ] = None
    boundary: Annotated[
        Share | None,
        setting(
            "How much the boundaries that a network tells count, from 0 to 1; as fitted or 1 "
            "unless given.",
            metavar="W",
        ),
    ] = None
    min_size: Annotated[
        SizeText,
        setting("Leave out what is smaller, such as 50 (voxels) or 20um3.", metavar="SIZE"),
    ] = "1"
    table: Annotated[
        LocalPath | None,
        setting("Table of the objects, .csv or .parquet; a .csv beside --out unless given."),
    ] = None
    block: Annotated[
        PatchShape | None,
        setting("Shape of a block: what is held at once and written as one file.", metavar="Z,Y,X"),
    ] = None
    overwrite: OverwriteSetting = False
    version: Annotated[
        OmeZarrVersion,
        setting("Version of OME-Zarr that is written.", option="--ome-zarr-version"),
    ] = "0.5"
    workers: Annotated[Count, setting("Processes that compute.", metavar="N", panel=MACHINE)] = 1
