"""Labels: logits -> probabilities -> class values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ziggurat.images.annotation import decode_classes
from napari_ziggurat.networks.shapes import probabilities as to_probabilities

__all__ = ["Decided", "Decision", "most_probable"]


@dataclass(frozen=True, eq=False)
class Decided:
    """Labels ((Z), Y, X) uint8 and probabilities (outputs, (Z), Y, X) float32, as far as wanted."""

    labels: NDArray[np.uint8] | None
    probabilities: NDArray[np.float32] | None


@dataclass(frozen=True)
class Decision:
    """What is made of the logits of some voxels, on the device that they are on.

    Attributes
    ----------
    values : tuple of int
        Class value of each channel, 0..254.
    labels, probabilities : bool
        What is wanted.
    shapes : int
        Channels after those of the classes, which tell of objects and have no say in the labels.
    """

    values: tuple[int, ...]
    labels: bool = True
    probabilities: bool = False
    shapes: int = 0

    def __call__(self, logits: torch.Tensor) -> Decided:
        """Decide logits (outputs, (Z), Y, X); the first of equally probable classes wins."""
        # Channels apart from each other, not innermost: softmax is several times faster.
        probabilities = to_probabilities(logits.float().contiguous(), self.shapes, dim=0)
        return Decided(
            self._labels(probabilities) if self.labels else None,
            probabilities.cpu().numpy() if self.probabilities else None,
        )

    def _labels(self, probabilities: torch.Tensor) -> NDArray[np.uint8]:
        classes = probabilities[: len(self.values)]
        return decode_classes(_first_largest(classes).cpu().numpy(), self.values)


def _first_largest(channels: torch.Tensor) -> torch.Tensor:
    """Give the first of the largest channels, as `argmax` does in ten times the time."""
    largest, found = channels[0], torch.zeros_like(channels[0], dtype=torch.uint8)
    for number, channel in enumerate(channels[1:], 1):
        found.masked_fill_(channel > largest, number)
        largest = torch.maximum(largest, channel)
    return found


def most_probable(probabilities: NDArray[np.float32], values: Sequence[int]) -> NDArray[np.uint8]:
    """Give each voxel the value of its most probable class; the first one wins a tie.

    Parameters
    ----------
    probabilities : (classes, (Z), Y, X) array
        Any numbers that compare; they need not sum to one. More channels, which tell of objects,
        may follow.
    values : sequence of int
        Class value of each channel, 0..254.

    Returns
    -------
    ((Z), Y, X) uint8 array
    """
    return decode_classes(probabilities[: len(values)].argmax(axis=0), values)
