"""Surround branch: the surroundings of a window -> the feature that joins the window's own."""

import torch
from torch import nn

from napari_ziggurat.networks.blocks import crop
from napari_ziggurat.networks.necks.unet import UNetNeck
from napari_ziggurat.networks.padding import pad_to_grid
from napari_ziggurat.networks.parts import EncoderConfig, Style
from napari_ziggurat.networks.topology import Topology

__all__ = ["SurroundBranch"]


class SurroundBranch(nn.Module):
    """An encoder and the coarse part of a U-Net's neck, up to the grid of the hook.

    Parameters
    ----------
    topology : Topology
        Pyramid of the branch.
    style : Style
        As in the rest of the network.
    encoder : EncoderConfig
        That of the network.
    level : int
        Level of the pyramid that has the grid of the hook.
    """

    def __init__(
        self, topology: Topology, style: Style, encoder: EncoderConfig, level: int
    ) -> None:
        super().__init__()
        self.level = level
        self.stride = topology.total_stride
        self.ratio = topology.ratio(0, level)
        self.compares = style.norm != "batch"
        self.encoder = encoder.build(topology, style)
        self.neck = UNetNeck(_from_level(topology, level), style)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map surroundings (N, C, (Z), Y, X) to the hook feature, whose grid is coarser by a ratio.

        They are padded inside, and the feature is cropped to what covers them.
        """
        padded = pad_to_grid(x, self.stride, compares=self.training or self.compares)
        hook: torch.Tensor = self.neck(self.encoder(padded)[self.level :])[0]
        return crop(hook, [-(-n // r) for n, r in zip(x.shape[2:], self.ratio, strict=True)])


def _from_level(topology: Topology, level: int) -> Topology:
    """Give the coarser levels as a pyramid of their own."""
    return topology.model_copy(
        update={
            "features": topology.features[level:],
            "strides": ((1,) * topology.dims, *topology.strides[level + 1 :]),
            "kernels": topology.kernels[level:],
        }
    )
