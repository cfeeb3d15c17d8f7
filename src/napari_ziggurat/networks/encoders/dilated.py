"""Hybrid dilated convolution: a wide view without pooling and without gaps."""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from napari_ziggurat.networks.blocks import Channels, ConvSpec, Stride, conv_norm_act

__all__ = ["DilatedBlock"]


class DilatedBlock(nn.Sequential):
    """One convolution after the other, each with its rate; the first steps down.

    rate 1   . . . . x x x . . . .
    rate 2   . . . x . x . x . . .      all voxels between the outermost are seen
    rate 5   x . . . . x . . . . x
    """

    def __init__(
        self,
        spec: ConvSpec,
        channels: Channels,
        stride: Stride = (),
        rates: Sequence[int] = (1, 2, 5),
    ) -> None:
        specs = [replace(spec, dilation=rate) for rate in rates]
        out = channels[1]
        super().__init__(
            conv_norm_act(specs[0], channels, stride),
            *(conv_norm_act(each, (out, out)) for each in specs[1:]),
        )
