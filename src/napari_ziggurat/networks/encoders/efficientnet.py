"""EfficientNet: MONAI's inverted bottlenecks with a kernel and a stride per axis.

MONAI's class ``EfficientNetBN`` fixes kernels, strides and the size of the image, and its blocks
refuse strides that differ between axes; so the blocks are used, and their depthwise convolution is
replaced by one that is padded alike on both sides.
"""

import math

from monai.networks.layers.factories import Conv
from monai.networks.nets.efficientnet import MBConvBlock

from napari_ziggurat.networks.blocks import Channels, ConvSpec, Stride, monai_norm

__all__ = ["MBConv"]


class MBConv(MBConvBlock):
    """Widen, convolve each channel, squeeze and excite, narrow; a shortcut where shapes agree.

    x -- 1x1 wider -- depthwise -- squeeze -- 1x1 narrower -- + --
     +----------------------------------------------------- --+
    """

    def __init__(
        self, spec: ConvSpec, channels: Channels, stride: Stride = (), expansion: int = 6
    ) -> None:
        wide = channels[0] * expansion
        super().__init__(
            spec.dims,
            *channels,
            kernel_size=1,
            stride=1,
            image_size=[1] * spec.dims,  # only tells the padding, which a kernel of 1 has not
            expand_ratio=expansion,
            se_ratio=0.25,
            id_skip=not any(s > 1 for s in stride),
            norm=monai_norm(spec.norm, math.gcd(wide, channels[1])) or "",
            drop_connect_rate=None,
        )
        self._depthwise_conv = Conv["conv", spec.dims](
            wide,
            wide,
            kernel_size=spec.kernel,
            stride=tuple(stride) or 1,
            padding=tuple(k // 2 for k in spec.kernel),
            groups=wide,
            bias=False,
        )
