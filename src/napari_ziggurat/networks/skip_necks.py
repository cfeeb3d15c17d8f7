"""Necks with skips at the resolution of the input: features -> features, finest first."""

from collections.abc import Sequence

import torch
from torch import nn

from napari_ziggurat.networks.blocks import ConvSpec, PlainBlock, Upsample
from napari_ziggurat.networks.config import NetworkConfig

__all__ = ["CatFuse", "UNetNeck", "create_neck"]


class CatFuse(nn.Module):
    """Join features by concatenation; every such fusion of the package goes through here."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Concatenate along the channels and apply the block."""
        joined: torch.Tensor = self.block(torch.cat(list(features), dim=1))
        return joined


class UNetNeck(nn.Module):
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

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        topology = config.topology
        features = topology.features
        self.channels = features[: max(1, len(features) - 1)]
        self.ups = nn.ModuleList()
        self.fuses = nn.ModuleList()
        for level in range(len(features) - 1):
            spec = ConvSpec(topology.dims, topology.kernels[level], config.norm)
            here, below = features[level], features[level + 1]
            stride = topology.strides[level + 1]
            self.ups.append(Upsample(topology.dims, (below, here), stride, config.neck.upsampling))
            self.fuses.append(CatFuse(PlainBlock(spec, (2 * here, here))))

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map encoder features to decoded features, finest first."""
        outputs = [features[-1]]
        for level in reversed(range(len(self.ups))):
            up = self.ups[level](outputs[0], features[level].shape[2:])
            outputs.insert(0, self.fuses[level]((features[level], up)))
        return outputs[: len(self.channels)]


def create_neck(config: NetworkConfig) -> UNetNeck:
    """Build the neck that a config names."""
    return UNetNeck(config)
