"""Objects of a drawn sample: which kinds there are, and where each lies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import LabelClass

__all__ = ["BODY", "SHELL", "SPOT", "Crowd", "Kind", "Thing", "place"]

BODY, SHELL, SPOT = 1, 2, 3

_TRIES = 40  # per object, before the volume counts as full

Point = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """Objects of one class: how large, how much of the volume they fill, how far from round."""

    label: LabelClass
    radii: tuple[float, float]
    filled: float
    stretch: float
    gap: float = 2.5

    def scaled(self, unit: float, filled: float) -> "Kind":
        """Give smaller objects that fill another part of the volume."""
        low, high = self.radii
        return replace(
            self, radii=(low * unit, high * unit), filled=self.filled * filled, gap=self.gap * unit
        )

    def count(self, extent: Point) -> int:
        """How many objects fill their part of a volume (or a plane) of this size."""
        radius = sum(self.radii) / 2
        ball = 4 / 3 * np.pi * radius**3 if len(extent) == 3 else np.pi * radius**2
        return max(1, round(float(self.filled * extent.prod() / ball)))


@dataclass(frozen=True)
class Thing:
    """One object: an ellipsoid around ``centre`` with half ``axes``, in the unit of the spacing."""

    value: int
    centre: Point
    axes: Point

    @property
    def radius(self) -> float:
        """Radius of the ball of the same size."""
        return float(np.prod(self.axes) ** (1 / len(self.axes)))


@dataclass(frozen=True)
class Crowd:
    """The objects that are there already, as arrays with one row each."""

    centres: NDArray[np.float64]
    longest: NDArray[np.float64]
    shortest: NDArray[np.float64]
    bodies: NDArray[np.bool_]

    @classmethod
    def of(cls, things: Sequence[Thing], ndim: int) -> "Crowd":
        """Collect what must be known of each to keep clear of it."""
        return cls(
            np.array([t.centre for t in things]).reshape(-1, ndim),
            np.array([t.axes.max() for t in things]),
            np.array([t.axes.min() for t in things]),
            np.array([t.value == BODY for t in things], np.bool_),
        )

    def __add__(self, more: "Crowd") -> "Crowd":
        """Join two crowds."""
        return Crowd(
            np.concatenate([self.centres, more.centres]),
            np.concatenate([self.longest, more.longest]),
            np.concatenate([self.shortest, more.shortest]),
            np.concatenate([self.bodies, more.bodies]),
        )

    def has_room(self, thing: Thing, gap: float) -> bool:
        """Tell whether a thing is wholly outside of each object, or wholly inside a body."""
        apart = np.linalg.norm(self.centres - thing.centre, axis=1)
        reach = thing.axes.max() + gap
        outside = apart > self.longest + reach
        inside = self.bodies & (thing.value != BODY) & (apart + reach < self.shortest)
        return bool(np.all(outside | inside))


def place(kind: Kind, crowd: Crowd, extent: Point, rng: np.random.Generator) -> list[Thing]:
    """Drop objects at random until the class fills its part; each keeps clear of all the others."""
    count = kind.count(extent)
    placed: list[Thing] = []
    for _ in range(count * _TRIES):
        thing = _propose(kind, extent, rng)
        if crowd.has_room(thing, kind.gap):
            placed.append(thing)
            crowd += Crowd.of([thing], len(extent))
        if len(placed) == count:
            break
    return placed


def _propose(kind: Kind, extent: Point, rng: np.random.Generator) -> Thing:
    radius = rng.uniform(*kind.radii)
    # Objects may be cut by the border, but most of each is inside.
    centre = rng.uniform(0.5 * radius, extent - 0.5 * radius)
    stretch = rng.uniform(1 - kind.stretch, 1 + kind.stretch, len(extent))
    return Thing(kind.label.value, centre, radius * stretch / np.prod(stretch) ** (1 / len(extent)))
