"""UNet 3+: every decoded level joins features of all levels."""

import torch
from monai.networks.layers.factories import Conv, Pool
from torch import nn

from napari_ziggurat.networks.blocks import ConvSpec, Upsample, conv_norm_act, resize
from napari_ziggurat.networks.contracts import Neck
from napari_ziggurat.networks.fusion import CatFuse
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import Topology

__all__ = ["UNet3PlusNeck"]


class UNet3PlusNeck(Neck):
    """Full-scale skips (UNet 3+, arXiv 2004.08790, figures 1 and 2).

    Level by level, coarse to fine, the encoder's features of this and all finer levels (max-pooled)
    and the decoded ones of all coarser levels (upsampled) are projected to one width, concatenated
    and convolved.

    Attributes
    ----------
    channels : tuple of int
        Channels of the outputs, finest first; the coarsest is the encoder's own feature.
    """

    def __init__(
        self, topology: Topology, style: Style, width: int, *, guided: bool = False
    ) -> None:
        super().__init__()
        levels, joined = topology.levels, width * topology.levels
        self.channels = (joined,) * (levels - 1) + topology.features[-1:]
        self.branches = nn.ModuleList()
        self.fuses = nn.ModuleList()
        for level in range(levels - 1):
            given = (*topology.features[: level + 1], *self.channels[level + 1 :])
            self.branches.append(
                nn.ModuleList(
                    _Branch(topology, style, (source, level), (channels, width))
                    for source, channels in enumerate(given)
                )
            )
            spec = ConvSpec(topology.dims, topology.kernels[level], style.norm)
            self.fuses.append(CatFuse(conv_norm_act(spec, (joined, joined)), levels, style))
        self.presence = (
            Conv["conv", topology.dims](topology.features[-1], 1, kernel_size=1) if guided else None
        )

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map encoder features to decoded features, finest first."""
        outputs = list(features)  # down to the level that is computed they are the encoder's
        for level in reversed(range(len(self.fuses))):
            size = features[level].shape[2:]
            found = [branch(x, size) for branch, x in zip(self._of(level), outputs, strict=True)]
            outputs[level] = self.fuses[level](found)
        if self.presence is None:
            return outputs
        axes = tuple(range(2, features[-1].ndim))
        factor = torch.sigmoid(self.presence(features[-1]).amax(axes, keepdim=True))
        return [factor * output for output in outputs]

    def _of(self, level: int) -> nn.ModuleList:
        branches = self.branches[level]
        assert isinstance(branches, nn.ModuleList)
        return branches


class _Branch(nn.Module):
    """Brings the feature of one level to the grid of another and projects it.

    Linear upsampling comes before the convolution, as published; upsampling with parameters comes
    after it, where there are fewer channels.
    """

    def __init__(
        self, topology: Topology, style: Style, way: tuple[int, int], channels: tuple[int, int]
    ) -> None:
        super().__init__()
        source, level = way
        ratio = topology.ratio(min(way), max(way))
        spec = ConvSpec(topology.dims, topology.kernels[level], style.norm)
        self.upsamples = source > level
        self.pool = Pool["max", topology.dims](kernel_size=ratio) if source < level else None
        self.conv = conv_norm_act(spec, channels)
        learns = self.upsamples and style.upsampling != "linear"
        self.up = Upsample(style, (channels[1], channels[1]), ratio) if learns else None

    def forward(self, x: torch.Tensor, size: torch.Size) -> torch.Tensor:
        """Map a feature to ``size``."""
        if self.pool is not None:
            x = self.pool(x)
        if self.up is not None:
            upsampled: torch.Tensor = self.up(self.conv(x), size)
            return upsampled
        projected: torch.Tensor = self.conv(resize(x, size) if self.upsamples else x)
        return projected
