"""Encoders: image -> a pyramid of features, finest first."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from napari_ziggurat.networks.blocks import ConvSpec, PlainBlock, ResidualBlock
from napari_ziggurat.networks.config import NetworkConfig, ResidualEncoderConfig

__all__ = ["Encoder", "create_encoder"]


class _BlockType(Protocol):
    def __call__(
        self, spec: ConvSpec, channels: tuple[int, int], stride: tuple[int, ...] = ...
    ) -> nn.Module: ...


class Encoder(nn.Module):
    """One stage of blocks per level; each stage steps down by its stride.

    Parameters
    ----------
    config : NetworkConfig
        Channels, strides and kernels of the levels.
    block : callable
        Builds one block.
    depths : callable
        Number of blocks at a level.
    """

    def __init__(
        self, config: NetworkConfig, block: _BlockType, depths: Callable[[int], int]
    ) -> None:
        super().__init__()
        topology = config.topology
        self.stages = nn.ModuleList()
        previous = topology.in_channels
        for level, out in enumerate(topology.features):
            spec = ConvSpec(topology.dims, topology.kernels[level], config.norm)
            first = block(spec, (previous, out), topology.strides[level])
            more = [block(spec, (out, out)) for _ in range(depths(level) - 1)]
            self.stages.append(nn.Sequential(first, *more))
            previous = out

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (N, C, (Z), Y, X) to one feature per level, finest first."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def create_encoder(config: NetworkConfig) -> Encoder:
    """Build the encoder that a config names."""
    if isinstance(config.encoder, ResidualEncoderConfig):
        blocks = config.encoder.blocks
        return Encoder(config, ResidualBlock, lambda level: blocks if level else 1)
    return Encoder(config, PlainBlock, lambda _: 1)
