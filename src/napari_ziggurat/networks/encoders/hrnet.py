"""HRNet: every resolution from start to end, side by side."""

import torch
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.blocks import ConvSpec, ResidualBlock, conv_norm_act, resize
from napari_ziggurat.networks.contracts import Encoder
from napari_ziggurat.networks.fusion import SumFuse
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import Topology

__all__ = ["HRNet"]


class HRNet(Encoder):
    r"""Parallel streams; stage t has t of them, and each stage ends with an exchange among all.

        level 0   =======X===X===      = blocks
        level 1      \===X===X===      X exchange: each stream gets the sum of all
        level 2          \===X===
        stage      1   2   3

    Parameters
    ----------
    topology : Topology
    style : Style
    blocks : int
        Residual blocks of each stream between two exchanges.
    exchanges : int
        Exchanges of each stage.
    """

    def __init__(self, topology: Topology, style: Style, blocks: int, exchanges: int) -> None:
        super().__init__()
        first = (topology.in_channels, topology.features[0])
        self.stem = conv_norm_act(_spec(topology, style, 0), first)
        self.begin = nn.ModuleList(
            _path(topology, style, level - 1, level, act=True)
            for level in range(1, topology.levels)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Exchange(topology, style, streams, blocks) for _ in range(exchanges)))
            for streams in range(1, topology.levels + 1)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, C, (Z), Y, X) to one feature per level, finest first."""
        features: list[torch.Tensor] = self.stages[0]([self.stem(x)])
        for begin, stage in zip(self.begin, self.stages[1:], strict=True):
            features = stage([*features, begin(features[-1])])
        return features


class Exchange(nn.Module):
    """Blocks in each stream; then each gets the sum of all, where there is more than one."""

    def __init__(self, topology: Topology, style: Style, streams: int, blocks: int) -> None:
        super().__init__()
        self.streams = nn.ModuleList()
        for level in range(streams):
            spec, width = _spec(topology, style, level), topology.features[level]
            self.streams.append(
                nn.Sequential(*(ResidualBlock(spec, (width, width)) for _ in range(blocks)))
            )
        self.sums = nn.ModuleList(
            StreamSum(topology, style, streams, target)
            for target in range(streams if streams > 1 else 0)
        )

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map the streams' features to the same, knowing of each other."""
        features = [stream(x) for stream, x in zip(self.streams, features, strict=True)]
        return [total(features) for total in self.sums] or features


class StreamSum(nn.Module):
    """What one stream gets: the sum of all, each brought to its channels and grid."""

    def __init__(self, topology: Topology, style: Style, streams: int, target: int) -> None:
        super().__init__()
        self.target = target
        self.paths = nn.ModuleList(_path(topology, style, j, target) for j in range(streams))
        self.fuse = SumFuse(streams, style)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Map the features of all streams to that of one."""
        size = features[self.target].shape[2:]
        arrived = [resize(path(x), size) for path, x in zip(self.paths, features, strict=True)]
        return functional.leaky_relu(self.fuse(arrived), 0.01)


def _path(
    topology: Topology, style: Style, source: int, target: int, *, act: bool = False
) -> nn.Module:
    """Bring a stream to the channels of another, and down to its grid if that is coarser."""
    width, out = topology.features[source], topology.features[target]
    if source == target:
        return nn.Identity()
    if source > target:
        return conv_norm_act(_spec(topology, style, target).pointwise, (width, out), act=False)
    steps = []
    for level in range(source + 1, target + 1):
        last = level == target
        channels = (width, out if last else width)
        spec = _spec(topology, style, level)
        steps.append(conv_norm_act(spec, channels, topology.strides[level], act=act or not last))
    return nn.Sequential(*steps)


def _spec(topology: Topology, style: Style, level: int) -> ConvSpec:
    return ConvSpec(topology.dims, topology.kernels[level], style.norm)
