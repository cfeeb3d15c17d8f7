"""Pyramid pooling: means over few large bins tell every voxel what else is in the window."""

from collections.abc import Sequence

import torch
from torch import nn

from napari_ziggurat.networks.blocks import ConvSpec, conv_norm_act, resize
from napari_ziggurat.networks.contracts import Context
from napari_ziggurat.networks.fusion import CatFuse
from napari_ziggurat.networks.parts import Style

__all__ = ["PooledBranch", "PyramidPooling", "pool_to_bins"]


class PyramidPooling(Context):
    """Pyramid pooling module (PSPNet, arXiv 1612.01105, figure 3).

        x +---------------------------------------+
          +-> 1 bin per axis -> 1x1 conv -> up ---+
          +-> 2 bins --------> 1x1 conv -> up ---+-> concatenated -> conv
          +-> 3, 6 ...                         ---+

    Parameters
    ----------
    channels : (int, int)
        In and out.
    kernel : tuple of int
        Of the last convolution, per axis.
    style : Style
    bins : sequence of int
        Bins per axis of each branch.
    width : int
        Channels of each branch.
    """

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: tuple[int, ...],
        style: Style,
        bins: Sequence[int],
        width: int,
    ) -> None:
        super().__init__()
        given, out = channels
        self.branches = nn.ModuleList(PooledBranch((given, width), style, k) for k in bins)
        spec = ConvSpec(style.dims, kernel, style.norm)
        block = conv_norm_act(spec, (given + width * len(bins), out))
        self.fuse = CatFuse(block, len(bins) + 1, style)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to the same size."""
        fused: torch.Tensor = self.fuse([x, *(branch(x) for branch in self.branches)])
        return fused


class PooledBranch(nn.Module):
    """Means over bins, projected and brought back to the size of the input.

    A single bin has no norm: there is one value per channel, and at batch 1 nothing to normalise.
    """

    def __init__(self, channels: tuple[int, int], style: Style, bins: int) -> None:
        super().__init__()
        self.bins = bins
        norm = style.norm if bins > 1 else None
        self.project = conv_norm_act(ConvSpec(style.dims, (1,) * style.dims, norm), channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to the same size."""
        return resize(self.project(pool_to_bins(x, self.bins)), x.shape[2:])


def pool_to_bins(x: torch.Tensor, bins: int) -> torch.Tensor:
    """Average into so many bins per axis: adaptive average pooling as products with matrices.

    Unlike torch's it can be exported for any size. Bins overlap where a size is no multiple.
    """
    for axis in range(2, x.ndim):
        x = (x.movedim(axis, -1) @ _bin_weights(x, axis, bins)).movedim(-1, axis)
    return x


def _bin_weights(x: torch.Tensor, axis: int, bins: int) -> torch.Tensor:
    """Weights (size, bins): voxel j counts in bin i where [j, j+1) meets [i, i+1) * size/bins."""
    size = x.shape[axis]
    voxel = torch.arange(size, device=x.device)[:, None]
    each = torch.arange(bins, device=x.device)
    meets = ((voxel + 1) * bins > each * size) & (voxel * bins < (each + 1) * size)
    return (meets / meets.sum(0)).to(x.dtype)
