"""Heads: features -> one feature on the finest grid. Every one with its paper and settings.

The modules, which need torch, are imported when they are built.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from napari_ziggurat.networks.parts import HeadConfig, Style, register_part
from napari_ziggurat.networks.topology import Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks.contracts import Head

__all__ = [
    "DeepLabHeadConfig",
    "FCNHeadConfig",
    "FPNHeadConfig",
    "SemanticFPNHeadConfig",
    "UPerHeadConfig",
]


class _WidthConfig(HeadConfig):
    """A head of one width.

    Attributes
    ----------
    channels : int or None
        The width; None for 128, or less where the finest grid is narrow.
    """

    channels: int | None = Field(None, ge=1)


@register_part
class FCNHeadConfig(_WidthConfig):
    """One convolution over one level or all (FCN, Long 2014, arXiv 1411.4038).

    Attributes
    ----------
    level : int or None
        Only this level, brought to the finest grid; -1 for the coarsest. None for all,
        concatenated, under a 1x1 convolution (as HRNet has it, arXiv 1904.04514).
    """

    fuses: ClassVar = True
    kind: Literal["fcn"] = "fcn"
    level: int | None = None

    def check(self, topology: Topology) -> None:
        """Refuse levels that there are not."""
        if self.level is not None and not -topology.levels <= self.level < topology.levels:
            raise ValueError(f"head 'fcn' reads level {self.level} of {topology.levels}; levels "
                             f"are 0 to {topology.levels - 1}, and -1 is the coarsest")  # fmt: skip

    def build(self, channels: Sequence[int], topology: Topology, style: Style) -> "Head":
        """Make the module."""
        from napari_ziggurat.networks.heads.fcn import ConcatHead, SingleLevelHead

        width = self.channels or topology.width
        if self.level is None:
            return ConcatHead(channels, width, (1,) * topology.dims, style)
        return SingleLevelHead(channels, width, topology, style, self.level)


@register_part
class FPNHeadConfig(_WidthConfig):
    """A convolution per level, brought to the finest grid and averaged."""

    adds: ClassVar = True
    kind: Literal["fpn"] = "fpn"

    def build(self, channels: Sequence[int], topology: Topology, style: Style) -> "Head":
        """Make the module."""
        from napari_ziggurat.networks.heads.fpn import FPNHead

        return FPNHead(channels, self.channels or topology.width, topology, style)


@register_part
class SemanticFPNHeadConfig(_WidthConfig):
    """Each level in steps to the finest, summed (Panoptic FPN, Kirillov 2019, arXiv 1901.02446)."""

    adds: ClassVar = True
    kind: Literal["semantic_fpn"] = "semantic_fpn"

    def build(self, channels: Sequence[int], topology: Topology, style: Style) -> "Head":
        """Make the module."""
        from napari_ziggurat.networks.heads.fpn import SemanticFPNHead

        return SemanticFPNHead(channels, self.channels or topology.width, topology, style)


@register_part
class UPerHeadConfig(HeadConfig):
    """Pyramid pooling, FPN, one fusion (UPerNet, Xiao 2018, arXiv 1807.10221).

    Attributes
    ----------
    channels : int or None
        The width; None for 64, or less where the finest grid is narrow: all levels meet on that
        grid.
    bins : tuple of int
        Of the pyramid pooling.
    """

    fuses: ClassVar = True
    kind: Literal["uper"] = "uper"
    channels: int | None = Field(None, ge=1)
    bins: tuple[int, ...] = Field((1, 2, 3, 6), min_length=1)

    def build(self, channels: Sequence[int], topology: Topology, style: Style) -> "Head":
        """Make the module."""
        from napari_ziggurat.networks.heads.uper import UPerHead

        width = self.channels or -(-topology.width // 2)
        return UPerHead(channels, width, topology, style, self.bins)


@register_part
class DeepLabHeadConfig(_WidthConfig):
    """Separable ASPP joined with a fine level (DeepLabv3+, Chen 2018, arXiv 1802.02611).

    Attributes
    ----------
    low : int
        Most channels of the fine level's part; the paper has 48.
    rates : tuple of int
        Dilations of the ASPP.
    """

    fuses: ClassVar = True
    kind: Literal["deeplabv3p"] = "deeplabv3p"
    low: int = Field(48, ge=1)
    rates: tuple[int, ...] = Field((2, 4, 6), min_length=1)

    def build(self, channels: Sequence[int], topology: Topology, style: Style) -> "Head":
        """Make the module."""
        from napari_ziggurat.networks.heads.deeplab import DeepLabHead

        widths = (min(self.low, channels[0]), self.channels or topology.width)
        return DeepLabHead(channels, widths, topology, style, self.rates)
