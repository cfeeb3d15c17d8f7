"""Heads over a pyramid: each level finds its own way to the finest grid, where they are added."""

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from napari_ziggurat.networks.blocks import ConvSpec, conv_norm_act, resize
from napari_ziggurat.networks.contracts import Head
from napari_ziggurat.networks.fusion import SumFuse
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import Topology

__all__ = ["Ascent", "FPNHead", "SemanticFPNHead"]


class FPNHead(Head):
    """A convolution per level; the results are resized and averaged.

    With the classifier that follows this is a classifier of two layers per level whose logits are
    averaged: a 1x1 convolution, a linear resize and a mean may change places.

    Parameters
    ----------
    channels : sequence of int
        Of the features.
    width : int
        Channels of the output.
    topology : Topology
        The pyramid of the features.
    style : Style
    """

    def __init__(
        self, channels: Sequence[int], width: int, topology: Topology, style: Style
    ) -> None:
        super().__init__()
        self.channels = width
        self.convs = nn.ModuleList(
            conv_norm_act(ConvSpec(style.dims, kernel, style.norm), (given, width))
            for given, kernel in zip(channels, topology.kernels, strict=False)
        )
        self.fuse = SumFuse(len(channels), style)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map features to their mean on the grid of the first."""
        size = features[0].shape[2:]
        found = [resize(conv(x), size) for conv, x in zip(self.convs, features, strict=True)]
        total: torch.Tensor = self.fuse(found)
        return total / len(found)


class SemanticFPNHead(Head):
    """The semantic branch of Panoptic FPN (section 3.2, figure 3).

        level 0   o--conv------------------------------>+-->
        level 1   o--conv--up-------------------------->+
        level 2   o--conv--up--conv--up---------------->+   each up to the next finer level

    Parameters are those of `FPNHead`.
    """

    def __init__(
        self, channels: Sequence[int], width: int, topology: Topology, style: Style
    ) -> None:
        super().__init__()
        self.channels = width
        self.paths = nn.ModuleList()
        for level, given in enumerate(channels):
            kernels = topology.kernels[1 : level + 1][::-1] or topology.kernels[:1]
            specs = [ConvSpec(style.dims, kernel, style.norm) for kernel in kernels]
            self.paths.append(Ascent(specs, (given, width)))
        self.fuse = SumFuse(len(channels), style)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map features to their sum on the grid of the first."""
        sizes = [x.shape[2:] for x in features]
        found = [
            path(x, sizes[: max(1, level)][::-1])
            for level, (path, x) in enumerate(zip(self.paths, features, strict=True))
        ]
        total: torch.Tensor = self.fuse(found)
        return total


class Ascent(nn.Module):
    """One level's way to the finest grid: convolution and linear upsampling, step by step."""

    def __init__(self, specs: Sequence[ConvSpec], channels: tuple[int, int]) -> None:
        super().__init__()
        widths = itertools.pairwise((channels[0], *[channels[1]] * len(specs)))
        self.convs = nn.ModuleList(map(conv_norm_act, specs, widths))

    def forward(self, x: torch.Tensor, sizes: Sequence[Sequence[int]]) -> torch.Tensor:
        """Map a feature to the last of the sizes."""
        for conv, size in zip(self.convs, sizes, strict=True):
            x = resize(conv(x), size)
        return x
