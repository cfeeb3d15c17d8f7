"""Classifiers: features -> logits, one for each supervised output."""

from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Conv
from torch import nn

__all__ = ["Classifiers"]


class Classifiers(nn.ModuleList):
    """One 1x1 convolution per supervised feature (deep supervision, arXiv 1409.5185)."""

    def __init__(self, dims: int, channels: Sequence[int], classes: int) -> None:
        super().__init__(Conv["conv", dims](c, classes, kernel_size=1) for c in channels)

    def forward(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Map features (finest first) to logits, each on its own grid."""
        return [conv(feature) for conv, feature in zip(self, features, strict=False)]
