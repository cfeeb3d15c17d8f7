"""Level: whether a model fits an image, and which of its levels the model reads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box, Spacing
from napari_ziggurat.images import Image
from napari_ziggurat.images.units import convert_length
from napari_ziggurat.networks.checkpoint import ModelSpec

__all__ = ["LevelChoice", "box_at_level", "box_between", "check_fit", "choose_level"]

# A voxel that is so many times larger or smaller than the model's is worth a word: levels mostly
# differ by two, so the nearest one of a pyramid that reaches the model's spacing is nearer.
_FAR = 2.0


@dataclass(frozen=True)
class LevelChoice:
    """A level, and what a person should know of the choice; nothing where it is plain."""

    level: int
    why: str = ""


def check_fit(image: Image, spec: ModelSpec) -> None:
    """Refuse an image of other axes or channels than the model was trained on."""
    if image.dims != len(spec.axes):
        raise InputError(
            f"The model was trained on {len(spec.axes)}D images (axes {spec.axes}); "
            f"'{image.name}' is {image.dims}D (axes {image.axes}). Use a model trained on such "
            "images, or say the axes with --axes."
        )
    if len(image.channels) != len(spec.channels):
        raise InputError(
            f"The model was trained on {len(spec.channels)} channel(s) "
            f"({', '.join(spec.channels)}); '{image.name}' has {len(image.channels)} "
            f"({', '.join(image.channels)}). Use a model trained on such images."
        )


def choose_level(image: Image, spec: ModelSpec) -> LevelChoice:
    """Find the level whose spacing is nearest to the one the model was trained at.

    Without units on either side the numbers are compared: both count voxels of a finest level.

    Raises
    ------
    InputError
        The model does not fit the image.
    """
    check_fit(image, spec)
    spacings = [level.spacing for level in image.levels]
    factor = convert_length(1.0, spacings[0].unit, spec.unit)
    if factor is None:
        return LevelChoice(0, _why_finest(spacings, spec))
    ratios = [_ratios(spacing, spec, factor) for spacing in spacings]
    level = min(range(len(ratios)), key=lambda i: sum(abs(math.log(r)) for r in ratios[i]))
    return LevelChoice(level, _why_far(level, ratios[level]))


def box_at_level(image: Image, level: int, box: Box) -> Box:
    """Voxels of a level that cover a box of level 0; at least one."""
    finest, wanted = image.levels[0], image.levels[level]
    ratio = np.array(wanted.spacing.values) / np.array(finest.spacing.values)
    last = np.array(wanted.shape) - 1
    start = np.minimum(np.floor(np.array(box.start) / ratio).astype(int), last)
    stop = np.clip(np.ceil(np.array(box.stop) / ratio).astype(int), start + 1, last + 1)
    return Box(tuple(start.tolist()), tuple(stop.tolist()))


def box_between(image: Image, box: Box, level: int, other: int) -> Box:
    """Voxels of another level at the place of a box; at least one.

    Edges go to the nearest voxel. So boxes that lie apart lie apart on a finer level as well.
    """
    here, there = image.levels[level], image.levels[other]
    size = np.array(there.spacing.values)
    origin = np.array(here.translation) - np.array(there.translation)
    edges = [np.array(corner) - 0.5 for corner in (box.start, box.stop)]
    start, stop = (
        np.rint((origin + edge * here.spacing.values) / size + 0.5).astype(int) for edge in edges
    )
    last = np.array(there.shape) - 1
    start = np.clip(start, 0, last)
    stop = np.clip(stop, start + 1, last + 1)
    return Box(tuple(start.tolist()), tuple(stop.tolist()))


def _ratios(spacing: Spacing, spec: ModelSpec, factor: float) -> tuple[float, ...]:
    """Size of a voxel in voxels of the model, per axis."""
    pairs = zip(spacing.values, spec.spacing, strict=True)
    return tuple(value * factor / wanted for value, wanted in pairs)


def _why_finest(spacings: Sequence[Spacing], spec: ModelSpec) -> str:
    """Say why the finest level is taken; nothing where there is no other."""
    if len(spacings) == 1:
        return ""
    model = Spacing(tuple(spec.spacing), spec.unit)
    return (
        f"Level 0 is taken, because the spacing of the image ({spacings[0]}) cannot be compared "
        f"with the model's ({model}). Say --spacing and --unit, or --level."
    )


def _why_far(level: int, ratios: Sequence[float]) -> str:
    far = max(ratios, key=lambda r: abs(math.log(r)))
    if 1 / _FAR <= far <= _FAR:
        return ""
    size, times = ("larger", far) if far > 1 else ("smaller", 1 / far)
    return (
        f"Level {level} is the nearest, yet its voxels are {times:.1f} times {size} than those "
        "the model was trained on; the result may be poor. Check --spacing and --unit."
    )
