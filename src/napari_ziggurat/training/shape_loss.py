"""Shape loss: of boundary and distance of objects, over known voxels only, at every depth."""

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["shape_loss"]

_MOST = 10.0
# Of boundary and distance. An object's distances differ little in their entropy, and with equal
# weights a short training learns one distance for all of them.
_WEIGHTS = (1.0, 4.0)
_FULL = 254.0


def shape_loss(
    logits: Sequence[torch.Tensor], codes: torch.Tensor, depths: Sequence[float] = ()
) -> torch.Tensor:
    """Sum the losses of both channels, that of the distance four times, over the outputs.

    As everywhere, the sum is divided by the weights of the outputs.

    Each is binary cross-entropy. That of the distance has the distance as a soft target: it is
    smallest where the sigmoid of the logit is the distance, and its gradient does not vanish far
    from it. Voxels whose target is not 0 weigh as much more as the square root of how much rarer
    they are in the batch, at most 10 times, like rare classes.

    Parameters
    ----------
    logits : sequence of (N, 2, (Z), Y, X) tensors
        Of boundary and distance, finest first, each on the grid of the targets.
    codes : (N, 2, (Z), Y, X) uint8 tensor
        0 unknown, 1 to 255 for 0 to 1, as `instance_targets` makes them. Gradients at unknown
        voxels are 0, and so is the loss of a channel of which nothing is known.
    depths : sequence of float
        Weight of each output; 1, 1/2, 1/4, ... where it is empty.
    """
    depths = depths or [2.0**-k for k in range(len(logits))]
    known, wanted = codes > 0, (codes.float() - 1) / _FULL
    losses = [
        depth * _of_output(each.float(), wanted, known)
        for depth, each in zip(depths, logits, strict=True)
    ]
    return torch.stack(losses).sum() / sum(depths)


def _of_output(logits: torch.Tensor, wanted: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    losses = [
        weight * _entropy(logits[:, n][known[:, n]], wanted[:, n][known[:, n]])
        for n, weight in enumerate(_WEIGHTS)
    ]
    return logits.sum() * 0.0 + torch.stack(losses).sum()


def _entropy(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Weighted mean over the voxels of a channel that are known."""
    if not len(logits):
        return logits.sum()
    there = wanted > 0
    rareness = ((~there).sum() / there.sum().clamp_min(1)).sqrt().clamp(1, _MOST)
    weights = torch.where(there, rareness, 1.0)
    losses = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (weights * losses).sum() / weights.sum()
