"""The contract of all networks: pad, compute, crop; in training every supervised output."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.blocks import crop, resize
from napari_ziggurat.networks.config import ComposedConfig, NetworkConfig
from napari_ziggurat.networks.contracts import RecursiveNeck
from napari_ziggurat.networks.heads.classifiers import Classifiers

__all__ = ["ComposedNetwork", "SegmentationNetwork", "pad_to_multiple"]


class SegmentationNetwork(nn.Module, ABC):
    """A network for input of any size.

    In training the output is a list of logits, finest and best first, each on the grid of the
    input; in evaluation it is one tensor. The input is padded inside to a multiple of the total
    stride and the logits are cropped: no caller sees the padding.

    Parameters
    ----------
    config : NetworkConfig
        What it is made of.

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
        self.stride = config.stride

    @abstractmethod
    def logits(self, x: torch.Tensor, wanted: int) -> list[torch.Tensor]:
        """Compute the first ``wanted`` outputs, best first, each on a grid of its own.

        The input is a multiple of the total stride along each axis.
        """

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Map an image (N, C, (Z), Y, X) to logits (N, classes, (Z), Y, X).

        Labels are never downsampled: logits are brought to the grid of the input, so that a
        stroke one voxel wide teaches every output.
        """
        padded = self._padded(x)
        wanted = self.config.supervised if self.training else 1
        logits = [
            crop(resize(each, padded.shape[2:]), x.shape[2:])
            for each in self.logits(padded, wanted)
        ]
        return logits if self.training else self._shifted(logits[0])

    def scales(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map an image to the logits of every supervised output, each at its own resolution.

        Coarse logits cover the image up to the next whole voxel of their grid.
        """
        padded = self._padded(x)
        found = self.logits(padded, self.config.supervised)
        return [self._shifted(crop(each, _covering(x, padded, each))) for each in found]

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        """Pad to the stride, and to two voxels of the coarsest grid for norms that compare them."""
        multiple = self.stride
        compares = self.training or self.config.norm != "batch"
        if compares and not torch.compiler.is_exporting() and _within(x, multiple):
            multiple = (*multiple[:-1], 2 * multiple[-1])
        return pad_to_multiple(x, multiple)

    def _shifted(self, logits: torch.Tensor) -> torch.Tensor:
        return logits + self.shift.view(-1, *[1] * (logits.ndim - 2))


class ComposedNetwork(SegmentationNetwork):
    """Encoder -> context -> neck -> head -> classifiers.

    Parameters
    ----------
    config : ComposedConfig
        The parts and their sizes.
    """

    def __init__(self, config: ComposedConfig) -> None:
        super().__init__(config)
        topology, style = config.topology, config.style
        self.encoder = config.encoder.build(topology, style)
        self.context = config.context.build(topology, style) if config.context else nn.Identity()
        self.neck = config.neck.build(topology, style)
        channels = list(self.neck.channels)
        pyramid = config.neck.pyramid(topology)
        self.head = config.head.build(channels, pyramid, style) if config.head else None
        if self.head is not None:
            channels.insert(0, self.head.channels)
        supervised = channels[: config.supervised]
        self.classifiers = Classifiers(topology.dims, supervised, topology.out_channels)

    def logits(self, x: torch.Tensor, wanted: int) -> list[torch.Tensor]:
        """Compute the head's output, if there is a head, and then the neck's, fine to coarse."""
        features = self.neck(self._encode(x))
        if isinstance(self.neck, RecursiveNeck):
            features = self.neck.refine(features, partial(self._encode, x))
        if self.head is not None:
            features = [self.head(features), *features]
        found: list[torch.Tensor] = self.classifiers(features[:wanted])
        return found

    def _encode(self, x: torch.Tensor, *feedback: list[torch.Tensor]) -> list[torch.Tensor]:
        *fine, coarsest = self.encoder(x, *feedback)
        return [*fine, self.context(coarsest)]


def pad_to_multiple(x: torch.Tensor, stride: Sequence[int]) -> torch.Tensor:
    """Repeat the last voxels until each spatial axis is a multiple of its stride."""
    missing = [-n % m for n, m in zip(x.shape[2:], stride, strict=True)]
    if not torch.compiler.is_exporting() and not any(missing):
        return x  # an exported network must not depend on the size of its example
    pads = [p for n in reversed(missing) for p in (0, n)]
    return functional.pad(x, pads, mode="replicate")


def _within(x: torch.Tensor, size: Sequence[int]) -> bool:
    return all(n <= most for n, most in zip(x.shape[2:], size, strict=True))


def _covering(x: torch.Tensor, padded: torch.Tensor, logits: torch.Tensor) -> list[int]:
    """Voxels of a coarser grid that cover the image without its padding."""
    sizes = zip(x.shape[2:], padded.shape[2:], logits.shape[2:], strict=True)
    return [-(-n * coarse // whole) for n, whole, coarse in sizes]
