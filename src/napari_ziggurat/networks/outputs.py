"""Outputs: the grid of each supervised output of a network, and several outputs at once."""

import copy
from collections.abc import Sequence

import torch
from torch import nn

from napari_ziggurat.networks.blocks import resize
from napari_ziggurat.networks.config import NetworkConfig
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.topology import AxisValues

__all__ = ["SelectedOutputs", "blank_surroundings", "output_ratios"]


class SelectedOutputs(nn.Module):
    """Some supervised outputs of a network, the coarser ones at their own resolutions.

    Parameters
    ----------
    network : SegmentationNetwork
        In evaluation mode.
    outputs : sequence of int
        Which ones, 0 the best.
    """

    def __init__(self, network: SegmentationNetwork, outputs: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.outputs = tuple(outputs)

    def forward(self, x: torch.Tensor, *, hook: torch.Tensor | None = None) -> list[torch.Tensor]:
        """Map (N, C, (Z), Y, X), a multiple of the total stride, to logits.

        The best output is on the grid of the input, as the network alone gives it. The hook
        feature is that of `SegmentationNetwork.forward`.
        """
        best, *others = self.network.scales(x, hook=hook)
        found = [resize(best, x.shape[2:]), *others]
        return [found[output] for output in self.outputs]


def output_ratios(network: SegmentationNetwork) -> tuple[AxisValues, ...]:
    """Ratio of the input's grid to that of each supervised output, per axis, best first."""
    config = network.config
    size = [2 * n for n in config.stride]
    # Only shapes pass through the network: nothing is computed.
    shapes_only = copy.deepcopy(network).eval().to("meta")
    with torch.inference_mode():
        x = torch.zeros(1, config.topology.in_channels, *size, device="meta")
        found = shapes_only.scales(x, blank_surroundings(config, x))
    return tuple(tuple(n // m for n, m in zip(size, each.shape[2:], strict=True)) for each in found)


def blank_surroundings(config: NetworkConfig, x: torch.Tensor) -> torch.Tensor | None:
    """Give surroundings of zeros for an image (N, C, (Z), Y, X); None where none are seen."""
    grids = config.surroundings
    return None if grids is None else x.new_zeros(*x.shape[:2], *grids.patch(x.shape[2:]))
