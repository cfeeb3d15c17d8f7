"""Classes: the values that are painted and written, with their names and colours.

Annotation code, ``uint8``: 0 unlabelled, 1..254 the class painted, 255 explicit background.
Segmentation code: 0 background, 1..254 the same class values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = [
    "EXPLICIT_BACKGROUND",
    "MAX_CLASS",
    "SHAPES",
    "UNLABELLED",
    "LabelClass",
    "Shape",
    "default_classes",
]

UNLABELLED = 0
MAX_CLASS = 254
EXPLICIT_BACKGROUND = 255

Shape = Literal["boundary", "distance"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
"""What a network can tell of objects, in the order of the channels after those of the classes."""

# Paul Tol's "bright" and "light" schemes: told apart by people with any colour vision.
_PALETTE = (
    "#ee6677", "#4477aa", "#ccbb44", "#228833", "#66ccee", "#aa3377",
    "#ee8866", "#77aadd", "#eedd88", "#44bb99", "#99ddff", "#ffaabb",
)  # fmt: skip


@dataclass(frozen=True)
class LabelClass:
    """One class: its value in label images, its name and its colour ``"#rrggbb"``."""

    value: int
    name: str
    color: str


def default_classes(values: Sequence[int]) -> tuple[LabelClass, ...]:
    """Give each value a name and a colour; the colour depends on the value alone."""
    return tuple(LabelClass(v, _default_name(v), _default_color(v)) for v in values)


def _default_name(value: int) -> str:
    return "background" if value == 0 else f"class {value}"


def _default_color(value: int) -> str:
    return "#000000" if value == 0 else _PALETTE[(value - 1) % len(_PALETTE)]
