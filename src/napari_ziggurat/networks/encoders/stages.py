"""Stages: the encoders of the U-Net family, one stage of blocks per level."""

from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Pool
from torch import nn

from napari_ziggurat.networks.blocks import Block, Channels, ConvSpec, PlainBlock, Stride
from napari_ziggurat.networks.contracts import StagedEncoder
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import Topology

__all__ = ["PooledBlock", "StageEncoder"]


class StageEncoder(StagedEncoder):
    """One stage of blocks per level; each stage steps down by its stride.

    Parameters
    ----------
    topology : Topology
        Channels, strides and kernels of the levels.
    style : Style
    block : callable
        Builds one block.
    blocks : int
        Number of blocks at each level but the first, which has one.
    stem : callable, optional
        Builds what stands at the first level instead of a block.
    """

    def __init__(
        self,
        topology: Topology,
        style: Style,
        block: Block,
        blocks: int = 1,
        stem: Block | None = None,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        previous = topology.in_channels
        for level, out in enumerate(topology.features):
            spec = ConvSpec(topology.dims, topology.kernels[level], style.norm)
            make = block if level or stem is None else stem
            first = make(spec, (previous, out), topology.strides[level])
            more = [block(spec, (out, out)) for _ in range(blocks - 1 if level else 0)]
            self.stages.append(nn.Sequential(first, *more))
            previous = out

    def forward(self, x: torch.Tensor, feedback: Sequence[torch.Tensor] = ()) -> list[torch.Tensor]:
        """Map (N, C, (Z), Y, X) to one feature per level.

        Feedback is added after the first block of its stage (DetectoRS, section 3).
        """
        features = []
        for level, stage in enumerate(self.stages):
            for index, block in enumerate(stage.children()):
                x = block(x)
                if feedback and not index:
                    x = x + feedback[level]
            features.append(x)
        return features


class PooledBlock(nn.Sequential):
    """Max pooling where there is a step down, then two convolutions."""

    def __init__(self, spec: ConvSpec, channels: Channels, stride: Stride = ()) -> None:
        pooled = any(s > 1 for s in stride)
        pools = [Pool["max", spec.dims](kernel_size=tuple(stride))] if pooled else []
        super().__init__(*pools, PlainBlock(spec, channels))
