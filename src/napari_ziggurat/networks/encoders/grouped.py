"""Grouped residual blocks: ResNeXt and RegNet."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.blocks import (
    Channels,
    ConvSpec,
    Stride,
    conv_norm_act,
    divisor,
    shortcut,
    squeeze_excite,
)

__all__ = ["GroupedBlock"]


class GroupedBlock(nn.Module):
    """A residual block whose spatial convolution does not mix its groups of channels.

        x -- 1x1 -- 3x3 in groups -- (squeeze) -- 1x1 -- + --
         +------------------- shortcut ------------------+

    Parameters
    ----------
    spec, channels, stride
        As of all blocks.
    bottleneck : int
        Channels that go out per channel of the grouped convolution.
    groups : callable
        Channels of the grouped convolution -> number of groups wanted; there are fewer where
        they cannot be split into so many.
    squeeze : str
        Form of squeeze-and-excitation, or ``"off"``.
    """

    def __init__(
        self,
        spec: ConvSpec,
        channels: Channels,
        stride: Stride = (),
        *,
        bottleneck: int,
        groups: Callable[[int], int],
        squeeze: str = "off",
    ) -> None:
        super().__init__()
        given, out = channels
        width = max(1, out // bottleneck)
        grouped = replace(spec, groups=divisor(width, groups(width)))
        self.branch = nn.Sequential(
            conv_norm_act(spec.pointwise, (given, width)),
            conv_norm_act(grouped, (width, width), stride),
            squeeze_excite(spec.dims, width, squeeze),
            conv_norm_act(spec.pointwise, (width, out), act=False),
        )
        self.project = shortcut(spec, channels, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to (N, out, ...)."""
        return functional.leaky_relu(self.branch(x) + self.project(x), 0.01)
