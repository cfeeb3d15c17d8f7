"""U-Net family: skips at the resolution of the input, joined on the way up."""

import torch
from monai.networks.layers.factories import Conv
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.blocks import (
    AveragePool,
    ConvSpec,
    PlainBlock,
    Upsample,
    conv_norm_act,
    resize,
)
from napari_ziggurat.networks.contracts import Neck
from napari_ziggurat.networks.fusion import CatFuse
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import Topology

__all__ = ["AttentionGate", "NestedUNetNeck", "UNetNeck"]


class UNetNeck(Neck):
    """The expanding path of U-Net.

        level 0   o----------------->o      skip and upsampled feature, concatenated
        level 1      o--------->o---^
        level 2         o------^

    Attributes
    ----------
    channels : tuple of int
        Channels of the outputs, finest first; the coarsest feature itself is not among them
        unless there is only one level.
    """

    def __init__(self, topology: Topology, style: Style, *, gated: bool = False) -> None:
        super().__init__()
        features, strides = topology.features, topology.strides
        self.channels = features[: max(1, len(features) - 1)]
        self.ups = nn.ModuleList()
        self.fuses = nn.ModuleList()
        self.gates = nn.ModuleDict()
        for level in range(len(features) - 1):
            up, fuse = _joint(topology, style, level, 1)
            self.ups.append(up)
            self.fuses.append(fuse)
            if gated and level:  # the finest skip knows too little of the image to be judged
                each = (features[level], features[level + 1])
                self.gates[str(level)] = AttentionGate(style, each, strides[level + 1])

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map encoder features to decoded features, finest first."""
        outputs = [features[-1]]
        for level in reversed(range(len(self.ups))):
            skip, below = features[level], outputs[0]
            up = self.ups[level](below, skip.shape[2:])
            if str(level) in self.gates:
                skip = self.gates[str(level)](skip, below)
            outputs.insert(0, self.fuses[level]((skip, up)))
        return outputs[: len(self.channels)]


class NestedUNetNeck(Neck):
    """The nodes of UNet++: each joins all to its left and the upsampled one below it.

        level 0   X00 -> X01 -> X02     outputs X02, X01, all on the finest grid; X01 is what a
        level 1   X10 -> X11 -^         U-Net of depth 1 gives, X02 one of depth 2, and so on
        level 2   X20 -^

    Attributes
    ----------
    channels : tuple of int
        Channels of the outputs, deepest column first.
    """

    def __init__(self, topology: Topology, style: Style) -> None:
        super().__init__()
        self.depth = topology.levels - 1
        self.channels = topology.features[:1] * self.depth
        self.ups = nn.ModuleDict()
        self.fuses = nn.ModuleDict()
        for key, level, column in self._nodes():
            self.ups[key], self.fuses[key] = _joint(topology, style, level, column)

    def _nodes(self) -> list[tuple[str, int, int]]:
        """Name, level and column of each node, in an order in which they can be computed."""
        return [
            (f"{level}_{column}", level, column)
            for column in range(1, self.depth + 1)
            for level in range(self.depth + 1 - column)
        ]

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map encoder features to the nodes of the finest level, the deepest first."""
        rows = [[feature] for feature in features]
        for key, level, column in self._nodes():
            up = self.ups[key](rows[level + 1][column - 1], features[level].shape[2:])
            rows[level].append(self.fuses[key]([*rows[level], up]))
        return rows[0][:0:-1]


class AttentionGate(nn.Module):
    """Additive attention gate (Attention U-Net, arXiv 1804.03999, figure 2, equations 1 and 2).

        skip  -> averaged -> 1x1 -+
                                  +-> ReLU -> 1x1 -> sigmoid -> up -> times skip
        below -------------> 1x1 -+

    Parameters
    ----------
    style : Style
    channels : (int, int)
        Of the skip and of the decoded feature below it, which is the gating signal.
    stride : tuple of int
        Ratio of their grids per axis.
    """

    def __init__(self, style: Style, channels: tuple[int, int], stride: tuple[int, ...]) -> None:
        super().__init__()
        skip, below = channels
        between = max(1, skip // 2)
        spec = ConvSpec(style.dims, (1,) * style.dims, style.norm)
        self.pool = AveragePool(stride)
        self.from_skip = conv_norm_act(spec, (skip, between), act=False)
        self.from_below = conv_norm_act(spec, (below, between), act=False)
        self.psi = Conv["conv", style.dims](between, 1, kernel_size=1)

    def forward(self, skip: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        """Weaken the skip where the coarser feature finds nothing."""
        return skip * self.coefficients(skip, below)

    def coefficients(self, skip: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        """Compute the attention coefficients (N, 1, (Z), Y, X), 0 to 1, on the skip's grid."""
        joined = functional.relu(self.from_skip(self.pool(skip)) + self.from_below(below))
        return resize(torch.sigmoid(self.psi(joined)), skip.shape[2:])


def _joint(topology: Topology, style: Style, level: int, skips: int) -> tuple[Upsample, CatFuse]:
    """Make what joins so many features of a level with the one below it."""
    here, below = topology.features[level], topology.features[level + 1]
    spec = ConvSpec(topology.dims, topology.kernels[level], style.norm)
    up = Upsample(style, (below, here), topology.strides[level + 1])
    block = PlainBlock(spec, ((skips + 1) * here, here))
    return up, CatFuse(block, skips + 1, style)
