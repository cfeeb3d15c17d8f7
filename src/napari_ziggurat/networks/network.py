"""The contract of all networks, as one class: pad, run the parts, crop."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.blocks import crop
from napari_ziggurat.networks.config import NetworkConfig
from napari_ziggurat.networks.encoders import create_encoder
from napari_ziggurat.networks.heads import Classifiers
from napari_ziggurat.networks.skip_necks import create_neck

__all__ = ["SegmentationNetwork", "pad_to_multiple"]


class SegmentationNetwork(nn.Module):
    """Encoder -> neck -> classifiers, for input of any size.

    In training the output is a list of logits, finest and best first, each on the grid of the
    input; in evaluation it is one tensor. The input is padded inside to a multiple of the total
    stride and the logits are cropped: no caller sees the padding.

    Parameters
    ----------
    config : NetworkConfig
        The parts and their sizes.

    Attributes
    ----------
    shift : (classes,) tensor
        Added to the logits in evaluation: zero, or what corrects for classes that are more or
        less common in images than among the voxels it learned from. Saved with the weights.
    """

    shift: torch.Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(config.topology.out_channels))
        self.config = config
        self.stride = config.topology.total_stride
        self.encoder = create_encoder(config)
        self.neck = create_neck(config)
        supervised = self.neck.channels[: config.supervised]
        self.head = Classifiers(config.topology.dims, supervised, config.topology.out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Map an image (N, C, (Z), Y, X) to logits (N, classes, (Z), Y, X)."""
        size = x.shape[2:]
        features = self.neck(self.encoder(pad_to_multiple(x, self.stride)))
        logits = [crop(each, size) for each in self.head(features)]
        if self.training:
            return logits
        return logits[0] + self.shift.view(-1, *[1] * len(size))


def pad_to_multiple(x: torch.Tensor, stride: Sequence[int]) -> torch.Tensor:
    """Repeat the last voxels until each spatial axis is a multiple of its stride."""
    missing = [-n % m for n, m in zip(x.shape[2:], stride, strict=True)]
    if not any(missing):
        return x
    pads = [p for n in reversed(missing) for p in (0, n)]
    return functional.pad(x, pads, mode="replicate")
