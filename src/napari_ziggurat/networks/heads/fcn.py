"""FCN heads: one convolution over one level, or over all of them together."""

from collections.abc import Sequence

import torch

from napari_ziggurat.networks.blocks import ConvSpec, conv_norm_act, resize
from napari_ziggurat.networks.contracts import Head
from napari_ziggurat.networks.fusion import CatFuse
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import AxisValues, Topology

__all__ = ["ConcatHead", "SingleLevelHead"]


class ConcatHead(Head):
    """All levels on the finest grid, concatenated, then one convolution.

    Parameters
    ----------
    channels : sequence of int
        Of the features.
    width : int
        Channels of the output.
    kernel : tuple of int
        Of the convolution, per axis.
    style : Style
    """

    def __init__(
        self, channels: Sequence[int], width: int, kernel: AxisValues, style: Style
    ) -> None:
        super().__init__()
        self.channels = width
        spec = ConvSpec(style.dims, kernel, style.norm)
        self.fuse = CatFuse(conv_norm_act(spec, (sum(channels), width)), len(channels), style)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map features to one on the grid of the first."""
        size = features[0].shape[2:]
        fused: torch.Tensor = self.fuse([resize(x, size) for x in features])
        return fused


class SingleLevelHead(Head):
    """One convolution on the grid of one level, then linear upsampling; edges are as coarse."""

    def __init__(
        self, channels: Sequence[int], width: int, topology: Topology, style: Style, level: int
    ) -> None:
        super().__init__()
        self.channels, self.level = width, level
        spec = ConvSpec(style.dims, topology.kernels[level], style.norm)
        self.conv = conv_norm_act(spec, (channels[level], width))

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map features to one on the grid of the first."""
        return resize(self.conv(features[self.level]), features[0].shape[2:])
