"""Heads: features -> logits, one for each supervised level."""

from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Conv
from torch import nn

from napari_ziggurat.networks.blocks import resize

__all__ = ["Classifiers"]


class Classifiers(nn.Module):
    """One 1x1 convolution per supervised feature (deep supervision, arXiv 1409.5185).

    Logits are brought to the grid of the finest feature: labels are never downsampled, so that a
    stroke one voxel wide teaches every level.
    """

    def __init__(self, dims: int, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Conv["conv", dims](c, classes, kernel_size=1) for c in channels)

    def forward(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Map features (finest first) to logits on one grid; in evaluation only the finest."""
        size = features[0].shape[2:]
        wanted = len(self.convs) if self.training else 1
        return [
            resize(conv(feature), size)
            for conv, feature in zip(self.convs[:wanted], features, strict=False)
        ]
