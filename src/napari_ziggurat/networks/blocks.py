"""Blocks: convolution, norm and activation in the arrangements that encoders and necks use."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.networks.blocks import Convolution
from monai.networks.layers.factories import Conv
from torch import nn
from torch.nn import functional

__all__ = [
    "AveragePool",
    "ConvSpec",
    "PlainBlock",
    "ResidualBlock",
    "Upsample",
    "conv_norm_act",
    "crop",
    "resize",
]

_LINEAR = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class ConvSpec:
    """What all convolutions of one level share.

    Attributes
    ----------
    dims : int
        2 or 3 spatial axes.
    kernel : tuple of int
        Kernel size per axis.
    norm : str
        Name of the norm in MONAI's vocabulary.
    """

    dims: int
    kernel: tuple[int, ...]
    norm: str

    @property
    def pointwise(self) -> "ConvSpec":
        """The same with a kernel of 1."""
        return ConvSpec(self.dims, (1,) * self.dims, self.norm)


def conv_norm_act(
    spec: ConvSpec, channels: tuple[int, int], stride: Sequence[int] = (), *, act: bool = True
) -> Convolution:
    """Convolution, norm, activation, in this order, so that the norm can be folded.

    Parameters
    ----------
    spec : ConvSpec
        Dimension, kernel and norm.
    channels : (int, int)
        In and out.
    stride : sequence of int
        Per axis; empty for 1.
    act : bool
        False leaves the activation out.
    """
    return Convolution(
        spec.dims,
        *channels,
        strides=tuple(stride) or 1,
        kernel_size=spec.kernel,
        norm=(spec.norm, {"affine": True}),
        act=("leakyrelu", {"negative_slope": 0.01, "inplace": True}) if act else None,
        adn_ordering="NDA",
        bias=False,
    )


class PlainBlock(nn.Sequential):
    """Two convolutions with norm and activation."""

    def __init__(
        self, spec: ConvSpec, channels: tuple[int, int], stride: Sequence[int] = ()
    ) -> None:
        out = channels[1]
        super().__init__(conv_norm_act(spec, channels, stride), conv_norm_act(spec, (out, out)))


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to the (pooled and projected) input.

    The input is averaged before it is projected, so that no voxel of it is dropped (ResNet-D,
    arXiv 1812.01187).
    """

    def __init__(
        self, spec: ConvSpec, channels: tuple[int, int], stride: Sequence[int] = ()
    ) -> None:
        super().__init__()
        out = channels[1]
        self.first = conv_norm_act(spec, channels, stride)
        self.second = conv_norm_act(spec, (out, out), act=False)
        steps: list[nn.Module] = []
        if any(s > 1 for s in stride):
            steps.append(AveragePool(stride))
        if channels[0] != out:
            steps.append(conv_norm_act(spec.pointwise, channels, act=False))
        self.project = nn.Sequential(*steps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to (N, out, ...)."""
        return functional.leaky_relu(self.second(self.first(x)) + self.project(x), 0.01)


class AveragePool(nn.Module):
    """Mean over windows of one stride; in float32, since torch has no 3D one in bfloat16."""

    def __init__(self, stride: Sequence[int]) -> None:
        super().__init__()
        self.stride = tuple(stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to the coarser grid; sizes are multiples of the stride."""
        pool = functional.avg_pool2d if len(self.stride) == 2 else functional.avg_pool3d
        return pool(x.float(), self.stride, self.stride).to(x.dtype)


class Upsample(nn.Module):
    """Bring a coarse feature to the next finer grid, with the finer level's channels."""

    def __init__(
        self, dims: int, channels: tuple[int, int], stride: tuple[int, ...], mode: str
    ) -> None:
        super().__init__()
        self.mode = mode
        self.conv = (
            Conv["convtrans", dims](*channels, kernel_size=stride, stride=stride)
            if mode == "deconv"
            else Conv["conv", dims](*channels, kernel_size=1)
        )

    def forward(self, x: torch.Tensor, size: torch.Size) -> torch.Tensor:
        """Map a coarse feature to ``size``."""
        return resize(self.conv(x), size)


def resize(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Linear resize to a spatial size (``align_corners=False``); nothing where it agrees."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return functional.interpolate(
        x, size=tuple(size), mode=_LINEAR[x.ndim - 2], align_corners=False
    )


def crop(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Keep the first ``size`` voxels of each spatial axis."""
    for axis, n in enumerate(size, start=2):
        x = x.narrow(axis, 0, n)
    return x
