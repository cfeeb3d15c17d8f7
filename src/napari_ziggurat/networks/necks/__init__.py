"""Necks: features -> features, finest first. Every one with its paper and settings.

The modules, which need torch, are imported when they are built.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from napari_ziggurat.networks.necks.genotype import Genotype, fault, generic
from napari_ziggurat.networks.parts import NeckConfig, Style, register_part
from napari_ziggurat.networks.topology import Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks.contracts import Neck

__all__ = [
    "BiFPNConfig",
    "FPNConfig",
    "NasFPNConfig",
    "NestedUNetNeckConfig",
    "NoNeckConfig",
    "PyramidNeckConfig",
    "RecursiveFPNConfig",
    "UNet3PlusNeckConfig",
    "UNetNeckConfig",
]


@register_part
class UNetNeckConfig(NeckConfig):
    """Skips joined level by level (U-Net, Ronneberger 2015, arXiv 1505.04597).

    Attributes
    ----------
    gated : bool
        Attention gates on all skips but the finest (Attention U-Net, Oktay 2018,
        arXiv 1804.03999).
    """

    fuses: ClassVar = True
    upsamples: ClassVar = True
    kind: Literal["unet"] = "unet"
    gated: bool = False

    def check(self, topology: Topology) -> None:
        """Refuse gates where there is no skip for them."""
        if self.gated and topology.levels < 3:
            raise ValueError(
                "attention gates act on all skips but the finest, so they need at least 3 levels "
                f"and the pyramid has {topology.levels}; ask for more levels or take 'unet'"
            )

    def build(self, topology: Topology, style: Style) -> "Neck":
        """Make the module."""
        from napari_ziggurat.networks.necks.unet import UNetNeck

        return UNetNeck(topology, style, gated=self.gated)


@register_part
class NestedUNetNeckConfig(NeckConfig):
    """U-Nets of every depth in one (UNet++, Zhou 2018, arXiv 1807.10165); can be pruned."""

    fuses: ClassVar = True
    upsamples: ClassVar = True
    kind: Literal["unetpp"] = "unetpp"

    def check(self, topology: Topology) -> None:
        """Refuse a pyramid without skips."""
        _need_two_levels("UNet++", topology)

    def build(self, topology: Topology, style: Style) -> "Neck":
        """Make the module."""
        from napari_ziggurat.networks.necks.unet import NestedUNetNeck

        return NestedUNetNeck(topology, style)


@register_part
class UNet3PlusNeckConfig(NeckConfig):
    """Every level joined with all levels (UNet 3+, Huang 2020, arXiv 2004.08790).

    Attributes
    ----------
    width : int or None
        Channels of one branch; None for those of the finest level, as published.
    guided : bool
        Multiply every output with one factor per window, 0 to 1: the maximum of a projection of
        the coarsest feature (the paper's classification-guided module with a soft decision). It
        learns from the segmentation alone; the paper's own loss needs images that are known to
        hold no object, which strokes do not tell.
    """

    fuses: ClassVar = True
    upsamples: ClassVar = True
    kind: Literal["unet3p"] = "unet3p"
    width: int | None = Field(None, ge=1)
    guided: bool = False

    def check(self, topology: Topology) -> None:
        """Refuse a pyramid without skips."""
        _need_two_levels("UNet 3+", topology)

    def build(self, topology: Topology, style: Style) -> "Neck":
        """Make the module."""
        from napari_ziggurat.networks.necks.unet3plus import UNet3PlusNeck

        width = self.width or topology.features[0]
        return UNet3PlusNeck(topology, style, width, guided=self.guided)


def _need_two_levels(name: str, topology: Topology) -> None:
    if topology.levels < 2:
        raise ValueError(f"{name} joins levels and the pyramid has one; ask for 2 or more")


# ---- Pyramids


@register_part
class NoNeckConfig(NeckConfig):
    """The encoder's features as they are, for heads that read them directly."""

    kind: Literal["none"] = "none"

    def build(self, topology: Topology, style: Style) -> "Neck":
        """Make the module."""
        from napari_ziggurat.networks.necks.none import NoNeck

        return NoNeck(topology.features)


class PyramidNeckConfig(NeckConfig):
    """A neck of one width at all levels.

    Attributes
    ----------
    channels : int or None
        The width; None for 128, or less where the finest grid is narrow.
    coarser : int
        Levels added below the coarsest: 2 for P6 and P7.
    coarser_by : str
        ``"convolution"`` (strided) or ``"maxpool"``.
    """

    adds: ClassVar = True
    channels: int | None = Field(None, ge=1)
    coarser: int = Field(0, ge=0, le=2)
    coarser_by: Literal["convolution", "maxpool"] = "convolution"

    def pyramid(self, topology: Topology) -> Topology:
        """Give the pyramid with the coarser levels."""
        return topology.extended(self.coarser)

    def check(self, topology: Topology) -> None:
        """Refuse levels that would be no coarser."""
        if self.coarser and max(topology.strides[-1]) == 1:
            raise ValueError(f"neck '{self.kind}' adds coarser levels by steps like the last, and "
                             "that keeps the size; set coarser to 0")  # fmt: skip


@register_part
class FPNConfig(PyramidNeckConfig):
    """Top-down sums (FPN, Lin 2016, arXiv 1612.03144).

    Attributes
    ----------
    bottom_up : bool
        A second path from fine to coarse (PANet, Liu 2018, arXiv 1803.01534).
    aligned : bool
        Learned offsets in upsampling (FaPN, Huang 2021, arXiv 2108.07058, with the sampling of
        SFNet, Li 2020, arXiv 2002.10120).
    """

    kind: Literal["fpn"] = "fpn"
    bottom_up: bool = False
    aligned: bool = False

    def build(self, topology: Topology, style: Style) -> "Neck":
        """Make the module."""
        from napari_ziggurat.networks.necks.fpn import FPN

        return FPN(topology, style, self)


@register_part
class RecursiveFPNConfig(FPNConfig):
    """FPN that feeds back into the encoder (DetectoRS, Qiao 2020, arXiv 2006.02334)."""

    fuses: ClassVar = True  # in the ASPP of its feedback
    feeds_back: ClassVar = True
    kind: Literal["recursive_fpn"] = "recursive_fpn"  # type: ignore[assignment]
    passes: int = Field(2, ge=2, le=4)

    def build(self, topology: Topology, style: Style) -> "Neck":
        """Make the module."""
        from napari_ziggurat.networks.necks.recursive_fpn import RecursiveFPN

        return RecursiveFPN(topology, style, self)


@register_part
class BiFPNConfig(PyramidNeckConfig):
    """Weighted sums both ways (EfficientDet, Tan 2019, arXiv 1911.09070); ``repeats`` layers."""

    kind: Literal["bifpn"] = "bifpn"
    repeats: int = Field(3, ge=1, le=8)

    def build(self, topology: Topology, style: Style) -> "Neck":
        """Make the module."""
        from napari_ziggurat.networks.necks.bifpn import BiFPN

        return BiFPN(topology, style, self)


@register_part
class NasFPNConfig(PyramidNeckConfig):
    """Connections by a genotype (NAS-FPN, Ghiasi 2019, arXiv 1904.07392).

    Attributes
    ----------
    genotype : tuple of Cell or None
        None for the published one at 5 levels, and one like it at others.
    repeats : int
        Stacks of it; the paper has 7.
    """

    kind: Literal["nas_fpn"] = "nas_fpn"
    genotype: Genotype | None = None
    repeats: int = Field(7, ge=1, le=8)

    def cells(self, topology: Topology) -> Genotype:
        """Give the genotype for a pyramid."""
        return self.genotype or generic(self.pyramid(topology).levels)

    def check(self, topology: Topology) -> None:
        """Refuse genotypes that cannot be computed."""
        super().check(topology)
        _need_two_levels("NAS-FPN", topology)
        levels = self.pyramid(topology).levels
        if wrong := fault(self.cells(topology), levels):
            raise ValueError(f"genotype of NAS-FPN for {levels} levels: {wrong}")

    def build(self, topology: Topology, style: Style) -> "Neck":
        """Make the module."""
        from napari_ziggurat.networks.necks.nas_fpn import NasFPN

        return NasFPN(topology, style, self)
