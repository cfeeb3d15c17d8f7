"""UPerNet: what the whole window holds, brought down a pyramid, then all levels at once."""

from collections.abc import Sequence

import torch

from napari_ziggurat.networks.contexts.pyramid_pooling import PyramidPooling
from napari_ziggurat.networks.contracts import Head
from napari_ziggurat.networks.heads.fcn import ConcatHead
from napari_ziggurat.networks.necks import FPNConfig
from napari_ziggurat.networks.necks.fpn import FPN
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import Topology

__all__ = ["UPerHead"]


class UPerHead(Head):
    """Unified perceptual parsing (section 3, figure 4), its head for one set of classes.

        level 0   o------------>+----> \
        level 1   o------->+----^----> concatenated on the finest grid -> conv
        level 2   o--PPM---^---------> /

    Parameters
    ----------
    channels : sequence of int
        Of the features.
    width : int
        Channels of the FPN and the output.
    topology : Topology
        The pyramid of the features.
    style : Style
    bins : sequence of int
        Of the pyramid pooling.
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int,
        topology: Topology,
        style: Style,
        bins: Sequence[int],
    ) -> None:
        super().__init__()
        self.channels = width
        given = topology.with_features((*channels[:-1], width))
        self.pooling = PyramidPooling((channels[-1], width), given.kernels[-1], style, bins, width)
        self.pyramid = FPN(given, style, FPNConfig(channels=width))
        self.fuse = ConcatHead(self.pyramid.channels, width, given.kernels[0], style)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map features to one on the grid of the first."""
        *fine, coarsest = features
        fused: torch.Tensor = self.fuse(self.pyramid([*fine, self.pooling(coarsest)]))
        return fused
