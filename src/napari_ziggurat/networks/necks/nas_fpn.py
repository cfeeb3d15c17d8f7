"""NAS-FPN: a pyramid whose connections are given by a genotype."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_ziggurat.networks.blocks import ConvSpec, conv_norm_act, max_pool, resize
from napari_ziggurat.networks.contracts import Neck
from napari_ziggurat.networks.fusion import SumFuse
from napari_ziggurat.networks.necks.fpn import Coarser, laterals
from napari_ziggurat.networks.necks.genotype import Cell, Genotype
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.topology import Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks.necks import NasFPNConfig

__all__ = ["CellStack", "MergingCell", "NasFPN", "loose_ends"]


class NasFPN(Neck):
    """Stacks of merging cells (section 3.1), all of one genotype and one width.

    Parameters
    ----------
    topology : Topology
        The pyramid of the inputs.
    style : Style
    config : NasFPNConfig
        Width, genotype, stacks and coarser levels.
    """

    def __init__(self, topology: Topology, style: Style, config: "NasFPNConfig") -> None:
        super().__init__()
        width = config.channels or topology.width
        pyramid = config.pyramid(topology)
        genotype = config.cells(topology)
        self.channels = (width,) * pyramid.levels
        self.laterals = laterals(topology, width, style.norm)
        self.coarser = Coarser(topology, width, config)
        self.stacks = nn.Sequential(
            *(CellStack(pyramid, style, width, genotype) for _ in range(config.repeats))
        )

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map encoder features to features of one width, finest first."""
        own = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        outputs: list[torch.Tensor] = self.stacks(self.coarser(own))
        return outputs


class CellStack(nn.Module):
    """Interpreter of a genotype: each cell appends a node; the last of a level is its output.

    Nodes that no cell reads are added to the output of their level, as in the paper.
    """

    def __init__(self, pyramid: Topology, style: Style, width: int, genotype: Genotype) -> None:
        super().__init__()
        self.genotype = genotype
        steps = itertools.combinations(range(pyramid.levels), 2)
        self.ratios = {(fine, coarse): pyramid.ratio(fine, coarse) for fine, coarse in steps}
        self.added = loose_ends(genotype, pyramid.levels)
        self.cells = nn.ModuleList(
            MergingCell(
                cell, ConvSpec(style.dims, pyramid.kernels[cell.level], style.norm),
                SumFuse(2 + len(self.added[index]), style), width,
            )
            for index, cell in enumerate(genotype)
        )  # fmt: skip

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map features to the same levels."""
        nodes, levels = list(features), list(range(len(features)))
        outputs = list(features)
        for module, cell, added in zip(self.cells, self.genotype, self.added, strict=True):
            read = (cell.first, cell.second, *added)
            size = features[cell.level].shape[2:]
            given = [self._bring(nodes[n], levels[n], cell.level, size) for n in read]
            nodes.append(module(given))
            levels.append(cell.level)
            outputs[cell.level] = nodes[-1]
        return outputs

    def _bring(self, x: torch.Tensor, level: int, wanted: int, size: Sequence[int]) -> torch.Tensor:
        """Nearest to finer grids, max pool to coarser ones."""
        if level < wanted:
            return max_pool(x, self.ratios[level, wanted])
        return resize(x, size, nearest=True)


class MergingCell(nn.Module):
    """Merge two features (figure 3), then activation, convolution, norm.

    ``gp`` lets the second feature say, by its mean over the image, how much of the first it
    takes.
    """

    def __init__(self, cell: Cell, spec: ConvSpec, fuse: SumFuse, width: int) -> None:
        super().__init__()
        self.attends = cell.op == "gp"
        self.fuse = fuse
        conv = nn.Sequential(nn.ReLU(), conv_norm_act(spec, (width, width), act=False))
        self.conv = conv if cell.conv else nn.Identity()

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Merge features of one size."""
        first, second, *added = features
        if self.attends:
            mean = second.mean(dim=tuple(range(2, second.ndim)), keepdim=True)
            first = torch.sigmoid(mean) * first
        merged: torch.Tensor = self.conv(self.fuse((first, second, *added)))
        return merged


def loose_ends(genotype: Genotype, levels: int) -> list[list[int]]:
    """List for each cell the nodes of its level that only it can save from being lost.

    These are the nodes that no cell reads, and the cell is the last of their level.
    """
    levels_of = [*range(levels), *(cell.level for cell in genotype)]
    last = {level: node for node, level in enumerate(levels_of)}
    read = {node for cell in genotype for node in (cell.first, cell.second)}
    added: list[list[int]] = [[] for _ in genotype]
    for node, level in enumerate(levels_of):
        if node not in read and node != last[level]:
            added[last[level] - levels].append(node)
    return added
