"""Blocks: convolution, norm and activation in the arrangements that encoders and necks use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from monai.networks.blocks import ChannelSELayer, Convolution, ResidualSELayer
from monai.networks.layers.factories import Conv
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.parts import Style

__all__ = [
    "AveragePool",
    "Block",
    "ChannelNorm",
    "Channels",
    "ConvSpec",
    "PlainBlock",
    "ResidualBlock",
    "Stride",
    "Upsample",
    "conv_norm_act",
    "crop",
    "divisor",
    "max_pool",
    "merge_patches",
    "monai_norm",
    "pixel_shuffle",
    "resize",
    "separable",
    "shortcut",
    "squeeze_excite",
]

Channels = tuple[int, int]  # in and out
Stride = Sequence[int]  # per axis; empty for 1

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
    norm : str or None
        Name of the norm in MONAI's vocabulary; None for a bias instead.
    dilation, groups : int
        Spacing of the kernel's taps; groups of channels that do not see each other.
    """

    dims: int
    kernel: tuple[int, ...]
    norm: str | None
    dilation: int = 1
    groups: int = 1

    @property
    def pointwise(self) -> "ConvSpec":
        """The same with a kernel of 1, not dilated, over all channels."""
        return ConvSpec(self.dims, (1,) * self.dims, self.norm)


def conv_norm_act(
    spec: ConvSpec, channels: Channels, stride: Stride = (), *, act: bool = True
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
        dilation=spec.dilation,
        groups=spec.groups,
        norm=monai_norm(spec.norm, channels[1]),
        act=("leakyrelu", {"negative_slope": 0.01, "inplace": True}) if act else None,
        adn_ordering="NDA",
        bias=spec.norm is None,
    )


def separable(spec: ConvSpec, channels: Channels) -> nn.Sequential:
    """Depthwise convolution, then a pointwise one (Xception, arXiv 1610.02357)."""
    each = channels[0]
    return nn.Sequential(
        conv_norm_act(replace(spec, groups=each), (each, each)),
        conv_norm_act(spec.pointwise, channels),
    )


def monai_norm(norm: str | None, channels: int) -> tuple[str, dict[str, object]] | None:
    """Give a norm as MONAI's blocks take it; groups divide the channels."""
    if norm == "group":
        return norm, {"num_groups": math.gcd(8, channels)}
    return None if norm is None else (norm, {"affine": True})


class Block(Protocol):
    """How encoders make their blocks."""

    def __call__(self, spec: ConvSpec, channels: Channels, stride: Stride = ...) -> nn.Module:
        """Make one block that maps channels in to channels out and steps down by a stride."""
        ...


class PlainBlock(nn.Sequential):
    """Two convolutions with norm and activation."""

    def __init__(self, spec: ConvSpec, channels: Channels, stride: Stride = ()) -> None:
        out = channels[1]
        super().__init__(conv_norm_act(spec, channels, stride), conv_norm_act(spec, (out, out)))


class ResidualBlock(nn.Module):
    """Two convolutions, and squeeze-and-excitation if wanted, added to the shortcut."""

    def __init__(
        self, spec: ConvSpec, channels: Channels, stride: Stride = (), squeeze: str = "off"
    ) -> None:
        super().__init__()
        out = channels[1]
        self.first = conv_norm_act(spec, channels, stride)
        self.second = conv_norm_act(spec, (out, out), act=False)
        self.squeeze = squeeze_excite(spec.dims, out, squeeze)
        self.project = shortcut(spec, channels, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to (N, out, ...)."""
        y = self.squeeze(self.second(self.first(x)))
        return functional.leaky_relu(y + self.project(x), 0.01)


def shortcut(spec: ConvSpec, channels: Channels, stride: Stride) -> nn.Sequential:
    """Average, then project, each where needed.

    The input is averaged first, so that no voxel of it is dropped (ResNet-D, arXiv 1812.01187).
    """
    steps: list[nn.Module] = []
    if any(s > 1 for s in stride):
        steps.append(AveragePool(stride))
    if channels[0] != channels[1]:
        steps.append(conv_norm_act(spec.pointwise, channels, act=False))
    return nn.Sequential(*steps)


def squeeze_excite(dims: int, channels: int, form: str) -> nn.Module:
    """Weigh each channel by what all of them hold on average (SENet, Hu 2017, arXiv 1709.01507).

    The mean is over the whole window, so results depend on the tiling. The paper's hidden layer
    has a 16th of the channels; here at least four units, where there are so many channels.
    """
    if form == "off":
        return nn.Identity()
    kind: type[nn.Module] = ChannelSELayer if form == "channel" else ResidualSELayer
    reduction = min(16, max(1, channels // 4))
    return kind(dims, channels, reduction, acti_type_1="leakyrelu", acti_type_2="sigmoid")


def divisor(channels: int, most: int) -> int:
    """Give the largest number up to ``most`` of equal groups that channels can be split into."""
    return max(n for n in range(1, max(1, most) + 1) if channels % n == 0)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each voxel, so that results do not depend on the tiling."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to the same."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def merge_patches(dims: int, channels: Channels, stride: Stride) -> nn.Module:
    """Step down by a convolution whose kernel is its stride: each patch becomes one voxel."""
    conv: nn.Module = Conv["conv", dims](*channels, kernel_size=tuple(stride), stride=tuple(stride))
    return conv


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
    """Bring a coarse feature to a finer grid, with the finer level's channels.

    Parameters
    ----------
    style : Style
        Its ``upsampling``: linear (1x1 convolution, then linear resize), deconv (transposed
        convolution) or pixelshuffle (arXiv 1609.05158; per axis, which MONAI's is not).
    channels : (int, int)
        In and out.
    stride : tuple of int
        Ratio of the grids per axis.
    """

    def __init__(self, style: Style, channels: tuple[int, int], stride: tuple[int, ...]) -> None:
        super().__init__()
        given, out = channels
        self.stride = stride
        self.shuffles = style.upsampling == "pixelshuffle"
        if style.upsampling == "deconv":
            self.conv = Conv["convtrans", style.dims](*channels, kernel_size=stride, stride=stride)
        else:
            out *= math.prod(stride) if self.shuffles else 1
            self.conv = Conv["conv", style.dims](given, out, kernel_size=1)

    def forward(self, x: torch.Tensor, size: torch.Size) -> torch.Tensor:
        """Map a coarse feature to ``size``."""
        x = self.conv(x)
        return resize(pixel_shuffle(x, self.stride) if self.shuffles else x, size)


def pixel_shuffle(x: torch.Tensor, stride: Sequence[int]) -> torch.Tensor:
    """Move channels into space: (N, C * prod(stride), Z, Y, X) to (N, C, stride * (Z, Y, X))."""
    n, size, dims = x.shape[0], x.shape[2:], len(stride)
    x = x.reshape(n, -1, *stride, *size)
    order = [axis for a in range(dims) for axis in (2 + dims + a, 2 + a)]
    finer = [s * k for s, k in zip(size, stride, strict=True)]
    return x.permute(0, 1, *order).reshape(n, -1, *finer)


def resize(x: torch.Tensor, size: Sequence[int], *, nearest: bool = False) -> torch.Tensor:
    """Linear resize to a spatial size (``align_corners=False``); nothing where it agrees."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    if nearest:
        return functional.interpolate(x, size=tuple(size), mode="nearest")
    return functional.interpolate(
        x, size=tuple(size), mode=_LINEAR[x.ndim - 2], align_corners=False
    )


def max_pool(x: torch.Tensor, ratio: Sequence[int]) -> torch.Tensor:
    """Maximum over windows of an integer ratio per axis; sizes are multiples of it."""
    pool = functional.max_pool2d if len(ratio) == 2 else functional.max_pool3d
    return pool(x, tuple(ratio), tuple(ratio))


def crop(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Keep the first ``size`` voxels of each spatial axis."""
    for axis, n in enumerate(size, start=2):
        x = x.narrow(axis, 0, n)
    return x
