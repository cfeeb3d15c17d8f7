"""Inception: convolutions of several sizes side by side."""

from dataclasses import replace

import torch
from monai.networks.layers.factories import Pool
from torch import nn

from napari_ziggurat.networks.blocks import Channels, ConvSpec, Stride, conv_norm_act, max_pool

__all__ = ["InceptionBlock"]


class InceptionBlock(nn.Module):
    """Four branches, joined; kernels 3 and 5 are 1 where the level's kernel is 1.

              +- 1x1 -----------------+
        x ----+- 1x1 -- 3x3 ----------+---- concatenated
              +- 1x1 -- 5x5 ----------+
              +- maximum of 3x3 - 1x1 +

    Shares of the channels are those of the paper's module 3a: 1/4, 1/2, 1/8, 1/8. It has no norms;
    those come from its second version (Ioffe 2015, arXiv 1502.03167). Steps down are taken by a
    maximum before the branches, as between the paper's stages.
    """

    def __init__(self, spec: ConvSpec, channels: Channels, stride: Stride = ()) -> None:
        super().__init__()
        given, out = channels
        few, some = max(1, out // 8), out // 4
        middle = out - some - 2 * few
        wide = replace(spec, kernel=tuple(k + 2 if k > 1 else 1 for k in spec.kernel))
        around = tuple(k // 2 for k in spec.kernel)
        self.stride = tuple(stride)
        self.branches = nn.ModuleList(
            (
                conv_norm_act(spec.pointwise, (given, some)),
                _reduced(spec, given, max(1, middle * 3 // 4), middle),
                _reduced(wide, given, max(1, few // 2), few),
                nn.Sequential(
                    Pool["max", spec.dims](spec.kernel, stride=1, padding=around),
                    conv_norm_act(spec.pointwise, (given, few)),
                ),
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to (N, out, ...)."""
        if any(s > 1 for s in self.stride):
            x = max_pool(x, self.stride)
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _reduced(spec: ConvSpec, given: int, between: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_act(spec.pointwise, (given, between)), conv_norm_act(spec, (between, out))
    )
