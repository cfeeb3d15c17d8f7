"""FPN family: one width at all levels; coarse features are added to finer ones on the way down."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from monai.networks.layers.factories import Conv
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.blocks import ConvSpec, conv_norm_act, max_pool, resize
from napari_ziggurat.networks.contracts import Neck
from napari_ziggurat.networks.fusion import SumFuse
from napari_ziggurat.networks.parts import Norm, Style
from napari_ziggurat.networks.topology import AxisValues, Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks.necks import FPNConfig, PyramidNeckConfig

__all__ = ["FPN", "AlignedUpsample", "BottomUp", "Coarser", "laterals"]


class FPN(Neck):
    """Feature pyramid network; with flags also PANet and the aligned FPN.

        level 0   o--1x1-->+--3x3-->o-------->o         FPN      PANet: a second
                           ^ x2               | 3x3, /2          path, bottom up
        level 1   o--1x1-->+--3x3-->o-------->+--3x3-->o
                           ^ x2                        | 3x3, /2
        level 2   o--1x1---+--3x3-->o----------------->+--3x3-->o

    As in the paper there are no norms or activations in the pyramid itself.

    Parameters
    ----------
    topology : Topology
        The pyramid of the inputs.
    style : Style
    config : FPNConfig
        Width and flags.
    """

    def __init__(self, topology: Topology, style: Style, config: "FPNConfig") -> None:
        super().__init__()
        width = config.channels or topology.width
        steps = range(1, topology.levels)
        self.channels = (width,) * (topology.levels + config.coarser)
        self.laterals = laterals(topology, width, None)
        self.fuses = nn.ModuleList(SumFuse(2, style) for _ in steps)
        self.ups = nn.ModuleList(
            AlignedUpsample(width, topology.kernels[level - 1]) if config.aligned else Repeat()
            for level in steps
        )
        self.outputs = nn.ModuleList(_plain_conv(width, k) for k in topology.kernels)
        self.bottom_up = BottomUp(topology, style, width) if config.bottom_up else None
        self.coarser = Coarser(topology, width, config)

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map encoder features to features of one width, finest first."""
        sums = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        for level in reversed(range(len(self.fuses))):
            up = self.ups[level](sums[level + 1], sums[level])
            sums[level] = self.fuses[level]((sums[level], up))
        outputs = [conv(x) for conv, x in zip(self.outputs, sums, strict=True)]
        if self.bottom_up is not None:
            outputs = self.bottom_up(outputs)
        extended: list[torch.Tensor] = self.coarser(outputs)
        return extended


class BottomUp(nn.Module):
    """The second path of PANet (section 3.1): fine features reach coarse levels in a few steps."""

    def __init__(self, topology: Topology, style: Style, width: int) -> None:
        super().__init__()
        same = (width, width)
        self.downs, self.fuses, self.outputs = (nn.ModuleList() for _ in range(3))
        for kernel, stride in zip(topology.kernels[1:], topology.strides[1:], strict=True):
            spec = ConvSpec(style.dims, kernel, style.norm)
            self.downs.append(conv_norm_act(spec, same, stride))
            self.fuses.append(SumFuse(2, style))
            self.outputs.append(conv_norm_act(spec, same))

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map features to the same levels; the finest stays."""
        found = features[:1]
        steps = zip(self.downs, self.fuses, self.outputs, features[1:], strict=True)
        for down, fuse, output, feature in steps:
            found.append(output(fuse((feature, down(found[-1])))))
        return found


class Repeat(nn.Module):
    """Nearest neighbour to the grid of a finer feature."""

    def forward(self, x: torch.Tensor, finer: torch.Tensor) -> torch.Tensor:
        """Map a coarse feature to the size of ``finer``."""
        return resize(x, finer.shape[2:], nearest=True)


class AlignedUpsample(nn.Module):
    """Upsampling that looks where a learned flow points to (FaPN, SFNet).

    Starts as linear upsampling. The flow, seen from both features, is in voxels of the finer
    grid; sampling along it needs no special kernel, as deformable convolution would.
    """

    def __init__(self, width: int, kernel: AxisValues) -> None:
        super().__init__()
        pad = tuple(k // 2 for k in kernel)
        self.flow = Conv["conv", len(kernel)](2 * width, len(kernel), kernel, padding=pad)
        nn.init.zeros_(self.flow.weight)
        nn.init.zeros_(self.flow.bias)

    def forward(self, x: torch.Tensor, finer: torch.Tensor) -> torch.Tensor:
        """Map a coarse feature to the size of ``finer``."""
        size = finer.shape[2:]
        flow = self.flow(torch.cat((resize(x, size), finer), dim=1))
        where = _positions(flow.float())  # bfloat16 is too coarse for positions
        found = functional.grid_sample(x.float(), where, padding_mode="border", align_corners=False)
        return found.to(x.dtype)


class Coarser(nn.Module):
    """Levels below the coarsest (P6 and P7), each made from the one above it.

    By strided convolutions (RetinaNet, arXiv 1708.02002, section 4) or by max pool (FPN).
    """

    def __init__(self, topology: Topology, width: int, config: "PyramidNeckConfig") -> None:
        super().__init__()
        self.levels, self.stride = config.coarser, topology.strides[-1]
        convs = range(config.coarser if config.coarser_by == "convolution" else 0)
        kernel = topology.kernels[-1]
        self.convs = nn.ModuleList(_plain_conv(width, kernel, self.stride) for _ in convs)

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Append the coarser levels."""
        found = list(features)
        for index in range(self.levels):
            x = found[-1]
            if self.convs:
                found.append(self.convs[index](functional.relu(x) if index else x))
            else:
                found.append(max_pool(x, self.stride))
        return found


def laterals(topology: Topology, width: int, norm: Norm | None) -> nn.ModuleList:
    """Make one 1x1 convolution per level, to one width."""
    spec = ConvSpec(topology.dims, (1,) * topology.dims, norm)
    return nn.ModuleList(conv_norm_act(spec, (c, width), act=False) for c in topology.features)


def _plain_conv(width: int, kernel: AxisValues, stride: Sequence[int] = ()) -> nn.Module:
    return conv_norm_act(ConvSpec(len(kernel), kernel, None), (width, width), stride, act=False)


def _positions(flow: torch.Tensor) -> torch.Tensor:
    """Where each voxel looks, for `grid_sample`: x first, -1 ... 1 from border to border."""
    axes: list[torch.Tensor] = []
    for axis, n in enumerate(flow.shape[2:]):
        along = [-1 if a == axis else 1 for a in range(flow.shape[1])]
        index = torch.arange(n, device=flow.device, dtype=flow.dtype).reshape(along)
        axes.insert(0, (2 * (index + flow[:, axis]) + 1) / n - 1)
    return torch.stack(axes, dim=-1)
