"""Values: the types of the settings, each with the check of what a person types."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from napari_ziggurat.classes import LabelClass, default_classes
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import Source, Url, is_url, to_source

__all__ = [
    "AxesText",
    "BoxText",
    "ClassTexts",
    "Count",
    "DeviceText",
    "Dims",
    "Finite",
    "GateText",
    "ImageSource",
    "ImageSources",
    "LearnedTask",
    "Level",
    "Levels",
    "LocalPath",
    "LossWeights",
    "MemoryText",
    "NotNegative",
    "OmeZarrVersion",
    "PartText",
    "PatchShape",
    "Positive",
    "RimShape",
    "Scales",
    "Seed",
    "Share",
    "SpacingValues",
    "Task",
    "TimePoint",
    "Views",
    "VoxelPlace",
    "parse_bytes",
    "parse_class",
]

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BINARY_UNITS = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def parse_bytes(text: str) -> int:
    """Read an amount of memory such as ``"8GB"``, ``"512 MB"`` or ``"2GiB"``.

    Raises
    ------
    InputError
        It is not a positive number followed by a unit.
    """
    compact = text.replace(" ", "").upper()
    number = compact.rstrip("KMGTIB")
    unit = compact[len(number) :] or "B"
    try:
        amount = int(float(number) * (_UNITS | _BINARY_UNITS)[unit])
    except (ValueError, KeyError, OverflowError):
        amount = 0
    if amount < 1:
        raise InputError(f"Memory is a number with a unit, such as 8GB or 512MB; got '{text}'.")
    return amount


def parse_class(text: str) -> LabelClass:
    """Read a class such as ``"1=nucleus"`` or ``"1=nucleus:#ee6677"``.

    Raises
    ------
    InputError
        It is not a value, an equals sign and a name.
    """
    found = re.fullmatch(r"(\d+)\s*=\s*([^:]+?)\s*(?::\s*(#[0-9a-fA-F]{6}))?", text.strip())
    if found is None:
        raise InputError(
            "A class is its value, its name and, if you like, its colour, such as 1=nucleus or "
            f"1=nucleus:#ee6677; got '{text}'."
        )
    (usual,) = default_classes([int(found[1])])
    return LabelClass(usual.value, found[2], found[3] or usual.color)


def _split(value: object) -> object:
    """Let a list be typed with commas, or as its one element."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return [value] if isinstance(value, int | float) else value


def _check_scales(scales: tuple[float, ...]) -> tuple[float, ...]:
    if len(scales) != 2 or not 1 / 16 <= scales[0] <= scales[1] <= 16:
        raise ValueError("it should be the smallest and the largest scale, from 1/16 to 16")
    return scales


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str | Path | Url) else value


def _source(value: object) -> object:
    return to_source(value) if isinstance(value, str | Path) else value


def _local(value: object) -> object:
    if is_url(value):
        raise InputError(
            f"'{value}' is a URL, and only images and labels are read from a server; give a path "
            "on this machine."
        )
    return value


def _check_axes(value: str) -> str:
    return Axes(value).names


def _check_spacing(value: tuple[float, ...]) -> tuple[float, ...]:
    if len(value) not in (2, 3):
        raise InputError(
            f"Spacing has one value per spatial axis, 2 or 3; got {len(value)}. "
            "Say for example --spacing 0.05,0.0046,0.0046 --unit um."
        )
    return Spacing(value).values


def _whole_number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _check_patch(value: tuple[int, ...]) -> tuple[int, ...]:
    if len(value) not in (2, 3):
        raise InputError(f"There are 2 or 3 sizes, such as 32,128,128; got {len(value)}.")
    return value


def _check_levels(value: tuple[int, ...]) -> tuple[int, ...]:
    """Sort levels; they have no order of their own."""
    if len(value) == 1:
        raise InputError(
            f"Several levels are fused, such as 0,1,2; got {value[0]} alone. For one level say "
            "--level."
        )
    if len(set(value)) < len(value):
        raise InputError(f"Each level is named once; got {','.join(map(str, value))}.")
    return tuple(sorted(value))


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(value)))


def _check_class_texts(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        parse_class(text)
    return value


def _check_box(value: str) -> str:
    return str(Box.parse(value))


def _gate_text(value: object) -> str:
    """Accept a share as text or, as YAML gives it, as a number; YAML reads a bare ``off`` as no."""
    text = "off" if value is False else str(value).strip().lower()
    if text in ("auto", "off"):
        return text
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise InputError(f"A gate is auto, off, or a share such as 0.999; got '{value}'.")
    return text


def _check_part(value: str) -> str:
    found = re.fullmatch(r"(\d+)/(\d+)", value.replace(" ", ""))
    if not found or not 0 <= int(found[1]) < int(found[2]):
        raise InputError(
            f"A part is I/N, such as 0/8 for the first of eight up to 7/8 for the last; "
            f"got '{value}'."
        )
    return found[0]


def _check_memory(value: str) -> str:
    parse_bytes(value)
    return value


def _check_device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
        raise InputError(
            f"There is no device '{value}'; there are auto, cpu, cuda (or cuda:1, ...) and mps."
        )
    return value


ImageSource = Annotated[
    Source, BeforeValidator(_source), PlainSerializer(str, return_type=str, when_used="json")
]
ImageSources = Annotated[tuple[ImageSource, ...], BeforeValidator(_one_or_many)]
LocalPath = Annotated[Path, BeforeValidator(_local)]
_Numbers = Annotated[tuple[float, ...], BeforeValidator(_split)]
_Sizes = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_split)]
Dims = Annotated[Literal[2, 3], BeforeValidator(_whole_number)]
OmeZarrVersion = Annotated[Literal["0.5", "0.4"], BeforeValidator(str)]  # YAML reads a number
AxesText = Annotated[str, AfterValidator(_check_axes)]
SpacingValues = Annotated[_Numbers, AfterValidator(_check_spacing)]
PatchShape = Annotated[_Sizes, AfterValidator(_check_patch)]
GateText = Annotated[str, BeforeValidator(_gate_text)]
PartText = Annotated[str, AfterValidator(_check_part)]
RimShape = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_split), AfterValidator(_check_patch)
]
BoxText = Annotated[str, AfterValidator(_check_box)]
MemoryText = Annotated[str, AfterValidator(_check_memory)]
DeviceText = Annotated[str, AfterValidator(_check_device)]
ClassTexts = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_check_class_texts)]
VoxelPlace = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_split)]
Task = Literal["semantic", "foreground"]
LearnedTask = Literal["semantic", "foreground", "instance"]
Level = Annotated[int, Field(ge=0)]
Levels = Annotated[tuple[Level, ...], BeforeValidator(_split), AfterValidator(_check_levels)]
Views = Annotated[
    tuple[Literal["flips", "scales"], ...], BeforeValidator(_split), AfterValidator(_each_once)
]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1)]
TimePoint = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Scales = Annotated[tuple[Positive, ...], BeforeValidator(_split), AfterValidator(_check_scales)]
LossWeights = Annotated[tuple[Positive, ...], Field(min_length=1), BeforeValidator(_split)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
