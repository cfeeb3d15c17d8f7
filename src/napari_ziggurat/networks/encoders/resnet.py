"""ResNet: MONAI's residual blocks with a kernel and a stride per axis.

MONAI's class ``ResNet`` takes one stride for all axes and its blocks one kernel size, so the blocks
are used, and their spatial convolutions are replaced.
"""

from monai.networks.layers.factories import Conv
from monai.networks.nets.resnet import ResNetBlock, ResNetBottleneck
from torch import nn

from napari_ziggurat.networks.blocks import Channels, ConvSpec, Stride, monai_norm, shortcut

__all__ = ["BasicBlock", "BottleneckBlock"]


class BasicBlock(ResNetBlock):
    """Two convolutions and a shortcut."""

    def __init__(self, spec: ConvSpec, channels: Channels, stride: Stride = ()) -> None:
        out = channels[1]
        norm = monai_norm(spec.norm, out) or ""
        super().__init__(
            *channels, spec.dims, downsample=shortcut(spec, channels, stride), norm=norm
        )
        self.conv1 = _conv(spec, channels, stride)
        self.conv2 = _conv(spec, (out, out))


class BottleneckBlock(ResNetBottleneck):
    """A quarter of the channels at the spatial convolution; out is a multiple of 4."""

    def __init__(self, spec: ConvSpec, channels: Channels, stride: Stride = ()) -> None:
        given, out = channels
        width = out // self.expansion
        norm = monai_norm(spec.norm, width) or ""
        super().__init__(
            given, width, spec.dims, downsample=shortcut(spec, channels, stride), norm=norm
        )
        self.conv2 = _conv(spec, (width, width), stride)


def _conv(spec: ConvSpec, channels: Channels, stride: Stride = ()) -> nn.Module:
    conv: nn.Module = Conv["conv", spec.dims](
        *channels,
        kernel_size=spec.kernel,
        stride=tuple(stride) or 1,
        padding=tuple(k // 2 for k in spec.kernel),
        bias=False,
    )
    return conv
