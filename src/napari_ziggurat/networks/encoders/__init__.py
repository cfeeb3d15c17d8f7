"""Encoders: image -> a pyramid of features, finest first. Every one with its paper and settings.

The modules, which need torch, are imported when they are built.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from napari_ziggurat.networks.parts import EncoderConfig, Style, register_part
from napari_ziggurat.networks.topology import Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks.blocks import Block
    from napari_ziggurat.networks.contracts import Encoder

__all__ = [
    "ConvNeXtEncoderConfig",
    "DilatedEncoderConfig",
    "EfficientNetEncoderConfig",
    "HRNetEncoderConfig",
    "InceptionEncoderConfig",
    "PlainEncoderConfig",
    "RegNetEncoderConfig",
    "ResNeXtEncoderConfig",
    "ResNetEncoderConfig",
    "ResidualEncoderConfig",
    "SwinEncoderConfig",
]

Blocks = Annotated[int, Field(ge=1, le=8)]  # at each level below the first


@register_part
class PlainEncoderConfig(EncoderConfig):
    """Two convolutions per level (U-Net, Ronneberger 2015, arXiv 1505.04597).

    Attributes
    ----------
    pooling : str
        How a level steps down: ``"max"``, as published, or the ``"stride"`` of its convolution.
    """

    takes_feedback: ClassVar = True
    kind: Literal["plain"] = "plain"
    pooling: Literal["max", "stride"] = "stride"

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.blocks import PlainBlock
        from napari_ziggurat.networks.encoders.stages import PooledBlock, StageEncoder

        block = PooledBlock if self.pooling == "max" else PlainBlock
        return StageEncoder(topology, style, block)


@register_part
class ResidualEncoderConfig(EncoderConfig):
    """Residual blocks (He 2015, arXiv 1512.03385); ``blocks`` at each level below the first.

    Attributes
    ----------
    squeeze : str
        Squeeze-and-excitation (Hu 2017, arXiv 1709.01507) in each block: ``"channel"`` as in the
        paper; ``"residual"`` adds what it weighs to what came in; ``"off"``. Results then depend
        on the tiling, since means are taken over the whole window.
    """

    takes_feedback: ClassVar = True
    kind: Literal["residual"] = "residual"
    blocks: Blocks = 1
    squeeze: Literal["off", "channel", "residual"] = "off"

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.blocks import ResidualBlock
        from napari_ziggurat.networks.encoders.stages import StageEncoder

        block = partial(ResidualBlock, squeeze=self.squeeze)
        return StageEncoder(topology, style, block, self.blocks)


class _StemmedConfig(EncoderConfig):
    """Stages of a family that starts on a coarser grid, under one convolution on the input's.

    Attributes
    ----------
    blocks : int
        At each level below the first.
    """

    takes_feedback: ClassVar = True
    blocks: Blocks = 2

    def _build(self, topology: Topology, style: Style, block: "Block", blocks: int) -> "Encoder":
        from napari_ziggurat.networks.blocks import conv_norm_act
        from napari_ziggurat.networks.encoders.stages import StageEncoder

        return StageEncoder(topology, style, block, blocks, conv_norm_act)


@register_part
class InceptionEncoderConfig(_StemmedConfig):
    """Branches of several kernels side by side (Szegedy 2014, arXiv 1409.4842)."""

    kind: Literal["inception"] = "inception"

    def check(self, topology: Topology) -> None:
        """Refuse levels with fewer channels than branches."""
        if min(topology.features) < 4:
            raise ValueError(f"Inception has four branches and needs 4 or more features at every "
                             f"level; they are {topology.features}")  # fmt: skip

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.encoders.inception import InceptionBlock

        return self._build(topology, style, InceptionBlock, self.blocks)


@register_part
class DilatedEncoderConfig(EncoderConfig):
    """Convolutions of hybrid rates (HDC, Wang 2017, arXiv 1702.08502).

    Attributes
    ----------
    rates : tuple of int
        Dilation of each convolution of a level. Together they must see every voxel.
    """

    takes_feedback: ClassVar = True
    kind: Literal["dilated"] = "dilated"
    rates: tuple[int, ...] = Field((1, 2, 5), min_length=1)

    def check(self, topology: Topology) -> None:
        """Refuse rates that leave a grid of voxels unseen."""
        if min(self.rates) < 1:
            raise ValueError(f"dilation rates must be 1 or more; they are {self.rates}")
        kernel = min((k for each in topology.kernels for k in each if k > 1), default=1)
        if math.gcd(*self.rates) > 1 or _widest_gap(self.rates) > kernel:
            raise ValueError(f"dilation rates {self.rates} leave voxels unseen under a kernel of "
                             f"{kernel}; take for example 1, 2, 5")  # fmt: skip

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.encoders.dilated import DilatedBlock
        from napari_ziggurat.networks.encoders.stages import StageEncoder

        return StageEncoder(topology, style, partial(DilatedBlock, rates=self.rates))


def _widest_gap(rates: Sequence[int]) -> int:
    """Give M_2 of equation (2) of arXiv 1702.08502: the step between voxels that are seen."""
    gap = rates[-1]
    for rate in reversed(rates[1:-1]):
        gap = max(gap - 2 * rate, 2 * rate - gap, rate)
    return gap


@register_part
class HRNetEncoderConfig(EncoderConfig):
    """All resolutions in parallel, with repeated exchange (Wang 2019, arXiv 1908.07919).

    The paper starts on a quarter of the input's grid; here the first stream is on that grid.

    Attributes
    ----------
    blocks : int
        Residual blocks of each stream before an exchange; 4 in the paper.
    exchanges : int
        Exchanges of each stage; 1, 4 and 3 in the paper.
    """

    adds: ClassVar = True
    kind: Literal["hrnet"] = "hrnet"
    blocks: Blocks = 1
    exchanges: int = Field(1, ge=1, le=4)

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.encoders.hrnet import HRNet

        return HRNet(topology, style, self.blocks, self.exchanges)


@register_part
class ResNetEncoderConfig(_StemmedConfig):
    """MONAI's blocks of ResNet (He 2015, arXiv 1512.03385), with kernels and strides per axis.

    Attributes
    ----------
    blocks : int
        Blocks at each level below the first; 2 in ResNet-18.
    bottleneck : bool
        Three convolutions, the middle one with a quarter of the channels, as in ResNet-50.
    """

    kind: Literal["resnet"] = "resnet"
    bottleneck: bool = False

    def check(self, topology: Topology) -> None:
        """Refuse features that have no quarter."""
        if self.bottleneck and any(n % 4 for n in topology.features[1:]):
            raise ValueError(f"bottleneck blocks need multiples of 4 as features below the first "
                             f"level; they are {topology.features}")  # fmt: skip

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.encoders.resnet import BasicBlock, BottleneckBlock

        block: Block = BottleneckBlock if self.bottleneck else BasicBlock
        return self._build(topology, style, block, self.blocks)


@register_part
class ResNeXtEncoderConfig(_StemmedConfig):
    """Grouped residual blocks of a number of paths (ResNeXt, Xie 2016, arXiv 1611.05431).

    Attributes
    ----------
    paths : int
        Groups (cardinality); fewer where channels cannot be split so. The paper has 32, for 256
        channels and more; 8 at 64 channels are as wide.
    """

    kind: Literal["resnext"] = "resnext"
    paths: int = Field(8, ge=1)

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.encoders.grouped import GroupedBlock

        block = partial(GroupedBlock, bottleneck=2, groups=lambda _: self.paths)
        return self._build(topology, style, block, self.blocks)


@register_part
class RegNetEncoderConfig(_StemmedConfig):
    """Grouped residual blocks of one group width (RegNet, Radosavovic 2020, arXiv 2003.13678).

    Widths are the topology's, not those of the paper's linear rule.

    Attributes
    ----------
    group_width : int
        Channels of a group; fewer where channels cannot be split so.
    squeeze : bool
        With squeeze-and-excitation (RegNetY), which makes results depend on the tiling.
    """

    kind: Literal["regnet"] = "regnet"
    group_width: int = Field(16, ge=1)
    squeeze: bool = False

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.encoders.grouped import GroupedBlock

        squeeze = "channel" if self.squeeze else "off"
        block = partial(GroupedBlock, bottleneck=1, groups=self._groups, squeeze=squeeze)
        return self._build(topology, style, block, self.blocks)

    def _groups(self, width: int) -> int:
        return width // self.group_width


@register_part
class EfficientNetEncoderConfig(_StemmedConfig):
    """MONAI's inverted bottlenecks with squeeze-and-excitation (Tan 2019, arXiv 1905.11946).

    Results depend on the tiling, since means are taken over the whole window.

    Attributes
    ----------
    expansion : int
        The depthwise convolution has so many times the channels that come in; 6 in the paper.
    """

    kind: Literal["efficientnet"] = "efficientnet"
    expansion: int = Field(6, ge=1)

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.encoders.efficientnet import MBConv

        block = partial(MBConv, expansion=self.expansion)
        return self._build(topology, style, block, self.blocks)


@register_part
class ConvNeXtEncoderConfig(_StemmedConfig):
    """Wide depthwise convolutions and layer norm (ConvNeXt, Liu 2022, arXiv 2201.03545).

    The network's norm acts at the first level only; the others norm each voxel over its channels.

    Attributes
    ----------
    kernel : int
        Of the depthwise convolution, on axes where the topology's kernel is not 1; odd.
    """

    kind: Literal["convnext"] = "convnext"
    kernel: int = Field(7, ge=3)

    def check(self, topology: Topology) -> None:
        """Refuse kernels without a centre."""
        if self.kernel % 2 == 0:
            raise ValueError(f"the kernel of ConvNeXt must be odd; it is {self.kernel}")

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.encoders.convnext import ConvNeXtStage

        stage = partial(ConvNeXtStage, blocks=self.blocks, kernel=self.kernel)
        return self._build(topology, style, stage, 1)


@register_part
class SwinEncoderConfig(_StemmedConfig):
    """MONAI's blocks of attention in shifted windows (Swin, Liu 2021, arXiv 2103.14030).

    Windows are laid from the corner of the network's input, so results depend on the tiling. The
    network's norm acts at the first level only; the others norm each voxel over its channels.

    Attributes
    ----------
    blocks : int
        Even: plain and shifted windows in turn.
    window : int
        Voxels of a window per axis, on axes where the topology's kernel is not 1. The paper has 7
        for images of 224; 8 divides grids whose sizes are powers of 2.
    head_width : int
        Channels of each attention head.
    """

    kind: Literal["swin"] = "swin"
    window: int = Field(8, ge=2)
    head_width: int = Field(32, ge=1)

    def check(self, topology: Topology) -> None:
        """Refuse stages that end before their windows are shifted."""
        if self.blocks % 2:
            raise ValueError(f"Swin shifts the windows of every second block and needs an even "
                             f"number of blocks; it is {self.blocks}")  # fmt: skip

    def build(self, topology: Topology, style: Style) -> "Encoder":
        """Make the module."""
        from napari_ziggurat.networks.encoders.swin import SwinStage

        stage = partial(
            SwinStage, blocks=self.blocks, window=self.window, head_width=self.head_width
        )
        return self._build(topology, style, stage, 1)
