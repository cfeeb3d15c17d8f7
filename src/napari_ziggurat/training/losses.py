"""Losses over labelled voxels only, at every supervised depth.

The target codes 0 = ignored, k = channel k - 1 of the logits.
"""

from collections.abc import Sequence

import torch
from monai.losses import DiceLoss
from monai.networks import one_hot
from torch.nn import functional

__all__ = ["class_weights", "deep_supervision_loss", "partial_loss"]

_LARGEST_WEIGHT = 10.0

_DICE = DiceLoss(softmax=False, batch=True, reduction="none", smooth_nr=1e-5, smooth_dr=1e-5)


def class_weights(shares: Sequence[float], used: float) -> list[float]:
    """Weights of the cross-entropy: inverse square root of a class's share, at most 10.

    Rare classes would not be found at all in a short training. In the course of the training the
    weights shrink to their square root, since they cost precision.

    Parameters
    ----------
    shares : sequence of float
        Part of the labelled voxels that each class has.
    used : float
        Part of the training that is done, 0 to 1.
    """
    most = max(shares)
    full = [min(_LARGEST_WEIGHT, (most / share) ** 0.5) if share else 1.0 for share in shares]
    return [weight ** (1 - used / 2) for weight in full]


def deep_supervision_loss(
    logits: Sequence[torch.Tensor],
    target: torch.Tensor,
    weights: torch.Tensor | None = None,
    *,
    depths: Sequence[float] = (),
    background: bool = True,
    focal: float = 0.0,
) -> torch.Tensor:
    """Sum the partial loss over the outputs, each weighted, divided by the sum of the weights.

    Parameters
    ----------
    logits : sequence of (N, C, (Z), Y, X) tensors
        Finest first, each on the grid of the target.
    target : (N, (Z), Y, X) uint8 tensor
        0 ignored, k for channel k - 1.
    weights : (C,) tensor, optional
        Class weights of the cross-entropy.
    depths : sequence of float
        Weight of each output; 1, 1/2, 1/4, ... where it is empty.
    background : bool
        Channel 0 is the background.
    focal : float
        Gamma of the focal loss; 0 is cross-entropy.
    """
    depths = depths or [2.0**-k for k in range(len(logits))]
    losses = [
        depth * partial_loss(each, target, weights, background=background, focal=focal)
        for depth, each in zip(depths, logits, strict=True)
    ]
    return torch.stack(losses).sum() / sum(depths)


def partial_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    weights: torch.Tensor | None = None,
    *,
    background: bool = True,
    focal: float = 0.0,
) -> torch.Tensor:
    """Cross-entropy plus Dice, both over the labelled voxels alone.

    Dice counts only foreground classes that occur among them: an absent class would give a loss of
    1 and no useful gradient. Without a background, channel 0 is a class like the others. Where
    nothing is labelled, loss and gradient are 0.
    """
    logits = logits.float()
    labelled = target > 0
    if not labelled.any():
        return logits.sum() * 0.0
    entropy = (_focal if focal else _entropy)(logits, target.long() - 1, weights, focal)
    return entropy + _partial_dice(logits, target, labelled, background)


def _entropy(
    logits: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None, _: float
) -> torch.Tensor:
    return functional.cross_entropy(logits, target, weights, ignore_index=-1)


def _focal(
    logits: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None, gamma: float
) -> torch.Tensor:
    """Cross-entropy in which voxels count little that are right already (arXiv 1708.02002, eq. 4).

    Like cross-entropy it is divided by the weights of the labelled voxels.
    """
    labelled = target >= 0
    each = functional.cross_entropy(logits, target, ignore_index=-1, reduction="none")[labelled]
    weight = torch.ones_like(each) if weights is None else weights[target[labelled]]
    missed = -torch.expm1(-each)  # 1 - probability of the right class
    return (weight * missed.clamp_min(1e-6) ** gamma * each).sum() / weight.sum()


def _partial_dice(
    logits: torch.Tensor, target: torch.Tensor, labelled: torch.Tensor, background: bool
) -> torch.Tensor:
    mask = labelled[:, None].float()
    classes = logits.shape[1]
    truth = one_hot((target.long() - 1).clamp_min(0)[:, None], classes) * mask
    per_class = _DICE(logits.softmax(dim=1) * mask, truth).flatten()
    present = truth.flatten(2).sum(dim=(0, 2)) > 0
    if background and classes > 1:
        present[0] = False  # the background is what is left over
    return per_class[present].mean() if present.any() else logits.sum() * 0.0
