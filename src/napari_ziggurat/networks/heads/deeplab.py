"""DeepLabv3+: context of the coarsest level, edges of the finest."""

from collections.abc import Sequence

import torch
from torch import nn

from napari_ziggurat.networks.blocks import ConvSpec, conv_norm_act, resize, separable
from napari_ziggurat.networks.contexts.aspp import ASPP
from napari_ziggurat.networks.contracts import Head
from napari_ziggurat.networks.fusion import CatFuse
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import Topology

__all__ = ["DeepLabHead"]


class DeepLabHead(Head):
    """The decoder of DeepLabv3+ (section 3.1, figure 2), with separable convolutions.

        finest     o------- 1x1 conv ----> \
                                            concatenated -> two convs
        coarsest   o-- ASPP -- upsampled -> /

    Parameters
    ----------
    channels : sequence of int
        Of the features.
    widths : (int, int)
        Channels of the finest level's part and of everything else.
    topology : Topology
        The pyramid of the features.
    style : Style
    rates : sequence of int
        Dilations.
    """

    def __init__(
        self,
        channels: Sequence[int],
        widths: tuple[int, int],
        topology: Topology,
        style: Style,
        rates: Sequence[int],
    ) -> None:
        super().__init__()
        low, self.channels = widths
        out = self.channels
        kernel = topology.kernels[len(channels) - 1]
        self.aspp = ASPP((channels[-1], out), kernel, style, rates, out, separated=True)
        spec = ConvSpec(style.dims, topology.kernels[0], style.norm)
        self.low = conv_norm_act(spec.pointwise, (channels[0], low))
        block = nn.Sequential(separable(spec, (low + out, out)), separable(spec, (out, out)))
        self.fuse = CatFuse(block, 2, style)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map features to one on the grid of the first."""
        finest, coarsest = features[0], features[-1]
        context = resize(self.aspp(coarsest), finest.shape[2:])
        fused: torch.Tensor = self.fuse((self.low(finest), context))
        return fused
