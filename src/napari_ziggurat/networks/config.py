"""NetworkConfig: a network in values, checked before anything is built."""

import itertools
import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "EncoderConfig",
    "NetworkConfig",
    "PlainEncoderConfig",
    "ResidualEncoderConfig",
    "Topology",
    "UNetNeckConfig",
]

AxisValues = tuple[int, ...]


class _Strict(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Topology(_Strict):
    """The pyramid of features that every part of a network agrees on, finest level first.

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
    def total_stride(self) -> tuple[int, ...]:
        """Ratio between the coarsest level and the input, per axis."""
        return tuple(math.prod(axis) for axis in zip(*self.strides, strict=True))


class PlainEncoderConfig(_Strict):
    """Two convolutions per level (U-Net, arXiv 1505.04597)."""

    kind: Literal["plain"] = "plain"


class ResidualEncoderConfig(_Strict):
    """Residual blocks (arXiv 1512.03385); ``blocks`` of them at each level below the first."""

    kind: Literal["residual"] = "residual"
    blocks: int = Field(1, ge=1, le=8)


EncoderConfig = Annotated[PlainEncoderConfig | ResidualEncoderConfig, Field(discriminator="kind")]


class UNetNeckConfig(_Strict):
    """Skips joined level by level (U-Net, arXiv 1505.04597)."""

    kind: Literal["unet"] = "unet"
    upsampling: Literal["linear", "deconv"] = "linear"


class NetworkConfig(_Strict):
    """Everything needed to build a network again; stored in ``model.json``.

    Attributes
    ----------
    name : str
        The preset it came from, as in ``--network``.
    topology, encoder, neck
        The pyramid and its parts.
    norm : str
        ``"batch"`` does not depend on the tiling; with ``"instance"`` results do.
    supervised : int
        Levels that get a classifier in training (deep supervision); 1 switches it off.
    """

    name: str
    topology: Topology
    encoder: EncoderConfig = ResidualEncoderConfig()
    neck: UNetNeckConfig = UNetNeckConfig()
    norm: Literal["batch", "instance"] = "batch"
    supervised: int = Field(3, ge=1)
