"""BiFPN: both ways through the pyramid, several times, with learned weights in every sum."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_ziggurat.networks.blocks import ConvSpec, max_pool, resize, separable
from napari_ziggurat.networks.contracts import Neck
from napari_ziggurat.networks.fusion import WeightedSumFuse
from napari_ziggurat.networks.necks.fpn import Coarser, laterals
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import AxisValues, Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks.necks import BiFPNConfig

__all__ = ["BiFPN", "BiFPNLayer"]


class BiFPN(Neck):
    """Bidirectional feature pyramid of EfficientDet (section 3): layers of one width in a row.

    Parameters
    ----------
    topology : Topology
        The pyramid of the inputs.
    style : Style
    config : BiFPNConfig
        Width, layers and coarser levels.
    """

    def __init__(self, topology: Topology, style: Style, config: "BiFPNConfig") -> None:
        super().__init__()
        width = config.channels or topology.width
        pyramid = config.pyramid(topology)
        self.channels = (width,) * pyramid.levels
        self.laterals = laterals(topology, width, style.norm)
        self.coarser = Coarser(topology, width, config)
        self.layers = nn.Sequential(
            *(BiFPNLayer(pyramid, style, width) for _ in range(config.repeats))
        )

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map encoder features to features of one width, finest first."""
        own = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        outputs: list[torch.Tensor] = self.layers(self.coarser(own))
        return outputs


class BiFPNLayer(nn.Module):
    """One way down and one way up (figure 2d).

        level 0   i------------->+--------------->   + is a weighted sum and a convolution
                                 ^ x2      | /2
        level 1   i----->+-------'         v         the input and the inner node of a level
                         ^ x2   `--(both)->+----->   go into its output
        level 2   i------'                 | /2
                   `---------------------->+----->

    The finest level has no second node, the coarsest no inner one.
    """

    def __init__(self, pyramid: Topology, style: Style, width: int) -> None:
        super().__init__()
        self.strides: tuple[AxisValues, ...] = pyramid.strides
        last = pyramid.levels - 1
        specs = [ConvSpec(style.dims, kernel, style.norm) for kernel in pyramid.kernels]
        self.down = nn.ModuleList(_node(2, spec, width, style) for spec in specs[:-1])
        self.up = nn.ModuleList(
            _node(3 if level < last else 2, specs[level], width, style)
            for level in range(1, last + 1)
        )

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map features to the same levels, equation 9 and its like at each."""
        inner = [features[-1]]  # the coarsest has no node on the way down
        for node, feature in zip(reversed(self.down), reversed(features[:-1]), strict=True):
            coarse = resize(inner[0], feature.shape[2:], nearest=True)
            inner.insert(0, node((feature, coarse)))
        outputs = inner[:1]
        for level, node in enumerate(self.up, start=1):
            given = [features[level], max_pool(outputs[-1], self.strides[level])]
            if level < len(self.up):
                given.append(inner[level])
            outputs.append(node(given))
        return outputs


def _node(inputs: int, spec: ConvSpec, width: int, style: Style) -> nn.Sequential:
    return nn.Sequential(WeightedSumFuse(inputs, style), separable(spec, (width, width)))
