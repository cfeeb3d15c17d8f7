"""Recursive FPN: the pyramid's outputs go back into the encoder, which looks at the image again."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from monai.networks.layers.factories import Conv
from torch import nn

from napari_ziggurat.networks.contexts.aspp import ASPP
from napari_ziggurat.networks.contracts import RecursiveNeck
from napari_ziggurat.networks.necks.fpn import FPN
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks.necks import RecursiveFPNConfig

__all__ = ["RecursiveFPN"]

_RATES = (3, 6)


class RecursiveFPN(RecursiveNeck):
    """Recursive feature pyramid of DetectoRS (section 3, figure 2).

        image --> encoder --> FPN --+--------------> gate --> outputs
        image --> encoder --> FPN --|--------------->-^
                     ^--- feedback -+

    Encoder and FPN keep their parameters from pass to pass; the paper has that as the smaller of
    its two forms. What goes back passes an ASPP per level; a gate of one 1x1 convolution merges
    the passes.

    Parameters
    ----------
    topology : Topology
    style : Style
    config : RecursiveFPNConfig
        Width and number of passes.
    """

    def __init__(self, topology: Topology, style: Style, config: "RecursiveFPNConfig") -> None:
        super().__init__()
        self.fpn = FPN(topology, style, config)
        self.channels = self.fpn.channels
        self.passes = config.passes
        width = self.channels[0]
        self.feedback = nn.ModuleList(
            ASPP((width, features), kernel, style, _RATES, -(-width // 4))
            for kernel, features in zip(topology.kernels, topology.features, strict=True)
        )
        self.gate = Conv["conv", style.dims](width, 1, kernel_size=1)
        nn.init.zeros_(self.gate.weight)  # the mean of both passes, until it has learned
        nn.init.zeros_(self.gate.bias)

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map encoder features to the pyramid of the first pass."""
        first: list[torch.Tensor] = self.fpn(features)
        return first

    def refine(
        self,
        outputs: list[torch.Tensor],
        again: Callable[[list[torch.Tensor]], list[torch.Tensor]],
    ) -> list[torch.Tensor]:
        """Merge the passes that follow, each with feedback from the one before."""
        for _ in range(self.passes - 1):
            # coarser levels, where there are any, have no stage to go back to
            given = [back(x) for back, x in zip(self.feedback, outputs, strict=False)]
            outputs = [
                self._merge(old, new)
                for old, new in zip(outputs, self.fpn(again(given)), strict=True)
            ]
        return outputs

    def _merge(self, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        share = torch.sigmoid(self.gate(new))
        return share * new + (1 - share) * old
