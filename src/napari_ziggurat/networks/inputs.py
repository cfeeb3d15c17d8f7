"""Inputs: what a network is called with: an image, or an image and its surroundings."""

import torch

__all__ = ["Inputs", "as_arguments"]

Inputs = torch.Tensor | tuple[torch.Tensor, ...]
"""(N, C, (Z), Y, X), alone or with the surroundings that `SegmentationNetwork.forward` takes."""


def as_arguments(inputs: Inputs) -> tuple[torch.Tensor, ...]:
    """Give the arguments of a call."""
    return inputs if isinstance(inputs, tuple) else (inputs,)
