"""Contexts: coarsest feature -> the same, knowing more of the image.

All see the whole window that they are given, so results depend on the tiling. The modules, which
need torch, are imported when they are built.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from napari_ziggurat.networks.parts import ContextConfig, Style, register_part
from napari_ziggurat.networks.topology import Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks.contracts import Context

__all__ = ["ASPPConfig", "PyramidPoolingConfig", "SeparableASPPConfig"]


@register_part
class PyramidPoolingConfig(ContextConfig):
    """Means over 1, 2, 3 and 6 bins per axis (PSPNet, Zhao 2016, arXiv 1612.01105).

    Attributes
    ----------
    bins : tuple of int
        Bins per axis of each branch.
    width : int
        Most channels of a branch; it has no more than the coarsest feature has.
    """

    kind: Literal["ppm"] = "ppm"
    bins: tuple[int, ...] = Field((1, 2, 3, 6), min_length=1)
    width: int = Field(128, ge=1)

    def check(self, topology: Topology) -> None:
        """Refuse bins that hold nothing."""
        if min(self.bins) < 1:
            raise ValueError(f"pyramid pooling needs bins of 1 or more; they are {self.bins}")

    def build(self, topology: Topology, style: Style) -> "Context":
        """Make the module."""
        from napari_ziggurat.networks.contexts.pyramid_pooling import PyramidPooling

        last = topology.features[-1]
        return PyramidPooling(
            (last, last), topology.kernels[-1], style, self.bins, min(self.width, last)
        )


@register_part
class ASPPConfig(ContextConfig):
    """Atrous spatial pyramid pooling (DeepLabv3, Chen 2017, arXiv 1706.05587).

    Attributes
    ----------
    rates : tuple of int
        Dilations. The papers take 6, 12 and 18 on maps of 33 voxels per axis; the coarsest level
        has about a third of that here, and so have the rates.
    width : int
        Most channels of a branch; it has no more than the coarsest feature has.
    """

    separated: ClassVar = False
    kind: Literal["aspp"] = "aspp"
    rates: tuple[int, ...] = Field((2, 4, 6), min_length=1)
    width: int = Field(128, ge=1)

    def check(self, topology: Topology) -> None:
        """Refuse dilations that do not exist."""
        if min(self.rates) < 1:
            raise ValueError(f"ASPP needs rates of 1 or more; they are {self.rates}")

    def build(self, topology: Topology, style: Style) -> "Context":
        """Make the module."""
        from napari_ziggurat.networks.contexts.aspp import ASPP

        last, kernel = topology.features[-1], topology.kernels[-1]
        width = min(self.width, last)
        return ASPP((last, last), kernel, style, self.rates, width, separated=self.separated)


@register_part
class SeparableASPPConfig(ASPPConfig):
    """The same with depthwise and pointwise convolutions (DeepLabv3+, arXiv 1802.02611)."""

    separated: ClassVar = True
    kind: Literal["sep_aspp"] = "sep_aspp"  # type: ignore[assignment]
