"""Shape channels: what a network tells of objects in the channels after its classes."""

import torch

__all__ = ["probabilities"]


def probabilities(logits: torch.Tensor, shapes: int, dim: int) -> torch.Tensor:
    """Softmax over the channels of classes, and a sigmoid of each of the last ``shapes`` channels.

    Parameters
    ----------
    logits : tensor
        Classes, then shapes, along one axis.
    shapes : int
        Number of shape channels; with 0 it is the softmax of everything.
    dim : int
        Axis of the channels.

    Returns
    -------
    tensor
        Of the same shape, each value in [0, 1].
    """
    if not shapes:
        return logits.softmax(dim=dim)
    classes, rest = logits.split([logits.shape[dim] - shapes, shapes], dim=dim)
    return torch.cat([classes.softmax(dim=dim), rest.sigmoid()], dim=dim)
