"""ConvNeXt: a convolutional network in the shape of a transformer."""

from collections.abc import Sequence

import torch
from monai.networks.blocks import MLPBlock
from monai.networks.layers.factories import Conv
from torch import nn

from napari_ziggurat.networks.blocks import ChannelNorm, Channels, ConvSpec, Stride, merge_patches

__all__ = ["ConvNeXtStage"]


class ConvNeXtStage(nn.Sequential):
    """Merge patches, then blocks, then the norm that the paper puts before the next merging.

    The norm stands at the end of the stage, so that the neck sees normed features as well.
    """

    def __init__(
        self, spec: ConvSpec, channels: Channels, stride: Stride = (), *, blocks: int, kernel: int
    ) -> None:
        out = channels[1]
        wide = tuple(kernel if k > 1 else 1 for k in spec.kernel)
        super().__init__(
            merge_patches(spec.dims, channels, stride),
            *(ConvNeXtBlock(spec.dims, out, wide) for _ in range(blocks)),
            ChannelNorm(out),
        )


class ConvNeXtBlock(nn.Module):
    """Look around per channel, then mix channels per voxel.

    x -- depthwise -- norm -- 1x1 to 4C -- GELU -- 1x1 to C -- scale -- + --
     +------------------------------------------------------------------+
    """

    def __init__(self, dims: int, channels: int, kernel: Sequence[int]) -> None:
        super().__init__()
        self.depthwise = Conv["conv", dims](
            channels,
            channels,
            kernel_size=tuple(kernel),
            padding=tuple(k // 2 for k in kernel),
            groups=channels,
        )
        self.norm = nn.LayerNorm(channels)
        self.mlp = MLPBlock(channels, 4 * channels)
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))  # as in the paper: starts plain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to the same."""
        y = self.depthwise(x).movedim(1, -1)
        y = self.scale * self.mlp(self.norm(y))
        out: torch.Tensor = x + y.movedim(-1, 1)
        return out
