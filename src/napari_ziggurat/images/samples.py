"""Drawn samples: a volume and a plane whose truth is known, for the demo, the tests and napari.

Three classes, from large to small: bodies differ from the background by their texture alone, shells
are hollow (a bright rim around a dark inside), spots are solid and as bright as the rims. Every
grey value occurs in every class, so no threshold tells them apart; size, shape and texture do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Spacing
from napari_ziggurat.images.sample_objects import Crowd, Kind, Thing, place
from napari_ziggurat.images.sample_paint import Canvas, clouds, expose, paint

__all__ = ["Drawn", "draw_plane", "draw_volume"]

# Lengths are micrometers in a volume of the default size; `filled` is the part of the volume.
_KINDS = (
    Kind(LabelClass(1, "body", "#66ccee"), (30.0, 40.0), filled=0.2, stretch=0.25),
    Kind(LabelClass(2, "shell", "#ee6677"), (8.0, 12.0), filled=0.045, stretch=0.3),
    Kind(LabelClass(3, "spot", "#ddcc44"), (3.2, 3.9), filled=0.012, stretch=0.0),
)
_DEFAULT_EXTENT = 192.0


@dataclass(frozen=True)
class Drawn:
    """A drawn image and what is in it.

    Attributes
    ----------
    image : ndarray of uint8, ((Z), Y, X)
        Grey values.
    labels : ndarray of uint8, ((Z), Y, X)
        The truth: 0 is background, the others are the values of ``classes``.
    spacing : Spacing
        Size of a voxel.
    classes : tuple of LabelClass
        From the largest objects to the smallest.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    spacing: Spacing
    classes: tuple[LabelClass, ...] = tuple(kind.label for kind in _KINDS)


def draw_volume(shape: Sequence[int] = (96, 512, 512), seed: int = 0) -> Drawn:
    """Draw a volume (Z, Y, X) whose planes lie four times as far apart as its pixels.

    A volume smaller than the default holds smaller objects, a larger one holds more of them.

    Raises
    ------
    InputError
        The shape is not three lengths of at least 8, 32 and 32.
    """
    return _draw(_checked(shape, (8, 32, 32)), Spacing((2.0, 0.5, 0.5), "um"), seed)


def draw_plane(shape: Sequence[int] = (512, 512), seed: int = 0) -> Drawn:
    """Draw the sibling of `draw_volume` in two dimensions, (Y, X).

    Raises
    ------
    InputError
        The shape is not two lengths of at least 32.
    """
    return _draw(_checked(shape, (32, 32)), Spacing((0.5, 0.5), "um"), seed)


def _checked(shape: Sequence[int], least: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != len(least) or any(a < b for a, b in zip(shape, least, strict=True)):
        raise InputError(f"A drawn sample needs a shape of at least {least}; got {tuple(shape)}.")
    return tuple(int(n) for n in shape)


def _draw(shape: tuple[int, ...], spacing: Spacing, seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    step = np.array(spacing.values)
    unit = min(1.0, float((step * shape).min()) / _DEFAULT_EXTENT)
    canvas = Canvas(clouds(shape, 24.0 / step, rng), np.zeros(shape, np.uint8), step, unit)
    np.multiply(canvas.grey, 0.04, out=canvas.grey)
    np.add(canvas.grey, 0.42, out=canvas.grey)
    for thing in _things(canvas.extent, unit, rng):
        paint(canvas, thing, rng)
    return Drawn(expose(canvas.grey, rng), canvas.labels, spacing)


def _things(extent: NDArray[np.float64], unit: float, rng: np.random.Generator) -> list[Thing]:
    """Place all objects, the largest first: the smaller ones may lie inside them."""
    # A plane of a volume also shows what is centred above and below it; a drawn plane does not.
    filled = 1.0 if len(extent) == 3 else 1.5
    things: list[Thing] = []
    for kind in _KINDS:
        things += place(kind.scaled(unit, filled), Crowd.of(things, len(extent)), extent, rng)
    return things
