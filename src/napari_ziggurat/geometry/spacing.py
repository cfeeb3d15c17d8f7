"""Spacing: the physical size of a voxel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from napari_ziggurat.errors import InputError

__all__ = ["Spacing"]


@dataclass(frozen=True)
class Spacing:
    """Physical size of a voxel per spatial axis, ``((z,) y, x)``, with its unit.

    ``unit`` is None when the source does not state a size; the values are then relative.

    Raises
    ------
    InputError
        A value is not a positive finite number.
    """

    values: tuple[float, ...]
    unit: str | None = None

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) and value > 0 for value in self.values):
            raise InputError(
                f"Spacing must be positive and finite; got {self.values}. "
                "Say for example --spacing 0.05,0.0046,0.0046 --unit um."
            )

    def __str__(self) -> str:
        numbers = " x ".join(f"{value:.4g}" for value in self.values)
        return f"{numbers} {self.unit}" if self.unit else f"{numbers} (no unit)"

    @property
    def ratio(self) -> tuple[float, ...]:
        """How many times coarser each axis is than the finest axis."""
        finest = min(self.values)
        return tuple(value / finest for value in self.values)

    def scaled(self, factors: Sequence[float]) -> "Spacing":
        """Spacing of a level that is coarser by these factors."""
        values = tuple(v * f for v, f in zip(self.values, factors, strict=True))
        return Spacing(values, self.unit)
