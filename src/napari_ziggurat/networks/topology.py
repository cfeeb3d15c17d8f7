"""Topology: the pyramid of features that every part of a network agrees on."""

import itertools
import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["AxisValues", "Strict", "Topology"]

AxisValues = tuple[int, ...]


class Strict(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Topology(Strict):
    """The pyramid of features, finest level first.

    Attributes
    ----------
    dims : int
        Spatial axes of the input, 2 or 3.
    in_channels, out_channels : int
        Image channels; classes, background included.
    features : tuple of int
        Channels at each level.
    strides : tuple of tuple of int
        Step down to each level per axis; the first is all ones.
    kernels : tuple of tuple of int
        Kernel size at each level per axis; odd.
    """

    dims: Literal[2, 3]
    in_channels: int = Field(ge=1)
    out_channels: int = Field(ge=1)
    features: tuple[int, ...] = Field(min_length=1)
    strides: tuple[AxisValues, ...]
    kernels: tuple[AxisValues, ...]

    @model_validator(mode="after")
    def _levels_agree(self) -> "Topology":
        counts = (len(self.features), len(self.strides), len(self.kernels))
        if len(set(counts)) > 1:
            raise ValueError(
                f"features, strides and kernels need one entry per level; they have {counts}"
            )
        if any(len(v) != self.dims for v in (*self.strides, *self.kernels)):
            raise ValueError(f"each stride and kernel needs {self.dims} values, one per axis")
        if any(n < 1 for n in itertools.chain(self.features, *self.strides)):
            raise ValueError("features and strides must be 1 or more")
        if any(k % 2 == 0 for k in itertools.chain(*self.kernels)):
            raise ValueError(f"kernels must be odd; they are {self.kernels}")
        if any(s != 1 for s in self.strides[0]):
            raise ValueError(f"the first level keeps the grid of the input; its stride is "
                             f"{self.strides[0]} and must be all ones")  # fmt: skip
        return self

    @property
    def levels(self) -> int:
        """Number of resolutions."""
        return len(self.features)

    @property
    def total_stride(self) -> AxisValues:
        """Ratio between the coarsest level and the input, per axis."""
        return self.ratio(0, self.levels - 1)

    @property
    def width(self) -> int:
        """Channels for parts of one width at all levels: 128, or what the finest grid bears."""
        finest = self.features[0] * (4 if self.dims == 2 else 2)
        return min(128, max(self.features), finest)

    def extended(self, levels: int) -> "Topology":
        """Give the pyramid with so many coarser levels, each a step like the last."""
        per_level = {"features": self.features, "strides": self.strides, "kernels": self.kernels}
        return self.model_copy(update={k: v + v[-1:] * levels for k, v in per_level.items()})

    def with_features(self, features: tuple[int, ...]) -> "Topology":
        """Give the finest levels, one for each number of features, with these."""
        n = len(features)
        kept = {"strides": self.strides[:n], "kernels": self.kernels[:n]}
        return self.model_copy(update={"features": features, **kept})

    def ratio(self, fine: int, coarse: int) -> AxisValues:
        """Ratio between two levels, per axis; all ones for a level and itself."""
        steps = self.strides[fine + 1 : coarse + 1]
        return tuple(math.prod(step[axis] for step in steps) for axis in range(self.dims))
