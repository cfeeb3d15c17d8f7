"""Fusion: where features of several levels meet. Every concatenation and sum goes through here."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.equalizer import ScaleEqualizer
from napari_ziggurat.networks.parts import Style

__all__ = ["CatFuse", "Fuse", "SumFuse", "WeightedSumFuse"]


class Fuse(nn.Module):
    """Brings features to one scale before they are joined.

    Parameters
    ----------
    inputs : int
        Number of features; one alone has no other scale to be brought to.
    equalized : bool
        Each gets an equalizer of its own; else they are left as they are.
    """

    def __init__(self, inputs: int, *, equalized: bool) -> None:
        super().__init__()
        count = inputs if equalized and inputs > 1 else 0
        self.equalizers = nn.ModuleList(ScaleEqualizer() for _ in range(count))

    def equalize(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Apply the equalizers, if there are any."""
        if not self.equalizers:
            return list(features)
        return [equal(x) for equal, x in zip(self.equalizers, features, strict=True)]


class CatFuse(Fuse):
    """Join features by concatenation, then apply a block.

    Parameters
    ----------
    block : Module
        What follows the concatenation.
    inputs : int
        Number of features that are joined.
    style : Style
        Says whether they are equalized before.
    """

    def __init__(self, block: nn.Module, inputs: int, style: Style) -> None:
        super().__init__(inputs, equalized=style.equalize != "off")
        self.block = block

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Concatenate along the channels and apply the block."""
        joined: torch.Tensor = self.block(torch.cat(self.equalize(features), dim=1))
        return joined


class SumFuse(Fuse):
    """Join features of the same channels by their sum.

    Parameters
    ----------
    inputs : int
        Number of features that are added.
    style : Style
        Says whether they are equalized before; sums are only when that is said as well.
    """

    def __init__(self, inputs: int, style: Style) -> None:
        super().__init__(inputs, equalized=style.equalize != "off" and style.equalize_sums)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Add features of one size."""
        return reduce(torch.add, self.equalize(features))


class WeightedSumFuse(SumFuse):
    """Join features by a weighted sum: fast normalised fusion (BiFPN, arXiv 1911.09070, 3.3)."""

    def __init__(self, inputs: int, style: Style) -> None:
        super().__init__(inputs, style)
        self.weight = nn.Parameter(torch.ones(inputs))

    @property
    def shares(self) -> torch.Tensor:
        """Weight of each feature; positive, and 1 together but for 1e-4."""
        positive = functional.relu(self.weight)
        shares: torch.Tensor = positive / (positive.sum() + 1e-4)
        return shares

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Add features of one size, each times its weight."""
        pairs = zip(self.shares, self.equalize(features), strict=True)
        total: torch.Tensor = reduce(torch.add, (share * x for share, x in pairs))
        return total
