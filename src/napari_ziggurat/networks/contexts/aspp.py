"""ASPP: the same voxel seen through convolutions of several dilations at once."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from napari_ziggurat.networks.blocks import ConvSpec, conv_norm_act, separable
from napari_ziggurat.networks.contexts.pyramid_pooling import PooledBranch
from napari_ziggurat.networks.contracts import Context
from napari_ziggurat.networks.fusion import CatFuse
from napari_ziggurat.networks.parts import Style

__all__ = ["ASPP"]


class ASPP(Context):
    """Atrous spatial pyramid pooling (DeepLabv3, arXiv 1706.05587, figure 5).

        x +-> 1x1 conv ----------------+
          +-> conv, for each dilation -+-> concatenated -> 1x1 conv
          +-> mean of all -> 1x1 conv -+

    The branch of the mean is constant over an image: batch norm at batch 1 subtracts it, and it
    learns nothing then.

    Parameters
    ----------
    channels : (int, int)
        In and out.
    kernel : tuple of int
        Of the dilated convolutions, per axis.
    style : Style
    rates : sequence of int
        Dilations.
    width : int
        Channels of each branch.
    separated : bool
        Depthwise and pointwise convolutions (DeepLabv3+, arXiv 1802.02611).
    """

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: tuple[int, ...],
        style: Style,
        rates: Sequence[int],
        width: int,
        *,
        separated: bool = False,
    ) -> None:
        super().__init__()
        spec = ConvSpec(style.dims, kernel, style.norm)
        each, conv = (channels[0], width), separable if separated else conv_norm_act
        self.branches = nn.ModuleList([conv_norm_act(spec.pointwise, each)])
        self.branches.extend(conv(replace(spec, dilation=rate), each) for rate in rates)
        self.branches.append(PooledBranch(each, style, bins=1))
        inputs = len(self.branches)
        block = conv_norm_act(spec.pointwise, (inputs * width, channels[1]))
        self.fuse = CatFuse(block, inputs, style)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to the same size."""
        fused: torch.Tensor = self.fuse([branch(x) for branch in self.branches])
        return fused
