"""Teacher: what averaged parameters say of unlabelled voxels teaches those that are trained.

The average of the parameters sees a patch as it is, the network sees it with other grey values
(Mean Teacher, arXiv 1703.01780). Where the teacher is sure, its class is the label (FixMatch,
arXiv 2001.07685). Strokes paint rare classes too often, so a teacher that believed them would pass
that on: its logits, and those of the network where it follows the teacher, are first corrected by
the shares of the classes (distribution alignment, arXiv 1911.09785; logit adjustment, arXiv
2007.07314). The loss on strokes sees logits without that, as ever.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from napari_ziggurat.training.prior import MOST, expectation_maximisation, filled

__all__ = ["Teacher", "Unlabelled", "pseudo_labels", "ramp", "unlabelled_loss"]

_RAMP = 0.4  # part of the training in which the weight grows
_MEMORY = 0.98  # of the shares, per step
_VOXELS = 4096  # of a batch that tell the shares


@dataclass(frozen=True)
class Unlabelled:
    """How to learn from unlabelled voxels.

    Attributes
    ----------
    weight : float
        Of their loss beside that of the strokes, at its largest.
    confidence : float
        Probability from which on the teacher is believed.
    aligned : bool
        Correct by the shares of the classes.
    told : tuple of (float or None)
        Share of each class, None to estimate it; empty to estimate all.
    """

    weight: float
    confidence: float
    aligned: bool = True
    told: tuple[float | None, ...] = ()


class Teacher:
    """Teaches a network what its own average is sure of.

    Parameters
    ----------
    kept : Module
        The average. It gets two buffers, so that they are saved with it: the shares of the classes
        as taught, and as they are in the images.
    how : Unlabelled
    channels : int
        Classes of the network.
    """

    def __init__(self, kept: nn.Module, how: Unlabelled, channels: int) -> None:
        self.how = how
        self._kept = kept
        device = next(kept.parameters()).device
        for name in ("taught", "shares"):
            kept.register_buffer(name, torch.full((channels,), 1 / channels, device=device))
        kept.register_buffer("followed", torch.zeros((), device=device))

    @torch.no_grad()
    def labels(
        self,
        seen: Sequence[torch.Tensor],
        target: torch.Tensor,
        weights: torch.Tensor,
        anywhere: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give labels (N, (Z), Y, X) of unlabelled voxels, 0 ignored, and the shift of the logits.

        Parameters
        ----------
        seen : sequence of tensors
            What the network is called with, with grey values as they are.
        target : (N, (Z), Y, X) tensor
            Strokes.
        weights : (C,) tensor
            Of the classes in the loss on strokes.
        anywhere : int
            The first so many patches lie anywhere; they tell the shares.
        """
        module: nn.Module = self._kept.module  # type: ignore[assignment]
        logits = module(*seen)[0].float()
        self._follow(logits[:anywhere], target, weights)
        shift = self._shift()
        labels = pseudo_labels(logits + _broad(shift, logits), self.how.confidence)
        return torch.where(target > 0, 0, labels), shift

    def _follow(self, logits: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> None:
        """Let the shares follow what a batch says of them."""
        counts = torch.bincount(target.flatten().long(), minlength=len(weights) + 1)[1:]
        if not self.how.aligned or not counts.any():
            return
        taught, shares, followed = (self._buffer(n) for n in ("taught", "shares", "followed"))
        step = 1 - min(_MEMORY, (1 + float(followed)) / (10 + float(followed)))
        followed += 1
        weighted = counts * weights
        taught.lerp_(weighted / weighted.sum(), step)
        rows = logits.softmax(dim=1).movedim(1, -1).flatten(0, -2)
        rows = rows[:: max(1, len(rows) // _VOXELS)]
        believed = taught.cpu().numpy().astype(np.float64)
        found = expectation_maximisation(rows.cpu().numpy().astype(np.float64), believed)
        shares.lerp_(torch.from_numpy(found).to(shares), step)

    def _shift(self) -> torch.Tensor:
        """Correction of the logits, by Bayes' rule."""
        shares = self._buffer("shares")
        if self.how.told:
            known = filled(self.how.told, shares.cpu().numpy().astype(np.float64))
            shares = torch.from_numpy(known).to(shares)
        ratio = shares / self._buffer("taught").clamp_min(1e-6)
        return ratio.clamp(1 / MOST, MOST).log() * self.how.aligned

    def _buffer(self, name: str) -> torch.Tensor:
        return self._kept.get_buffer(name)


def pseudo_labels(logits: torch.Tensor, confidence: float) -> torch.Tensor:
    """Give the most probable class of each voxel, coded as targets; 0 where it is not sure.

    Parameters
    ----------
    logits : (N, C, (Z), Y, X) tensor
        Of the teacher.
    confidence : float
        Least probability.

    Returns
    -------
    (N, (Z), Y, X) uint8 tensor
        0 ignored, k for channel k - 1.
    """
    sure, channel = logits.softmax(dim=1).max(dim=1)
    return torch.where(sure >= confidence, channel + 1, 0).to(torch.uint8)


def unlabelled_loss(
    logits: Sequence[torch.Tensor],
    labels: torch.Tensor,
    shift: torch.Tensor,
    depths: Sequence[float] = (),
) -> torch.Tensor:
    """Cross-entropy with the teacher's labels at every output, corrected by the shares.

    It is divided by all voxels, so that it weighs little while the teacher is sure of few
    (FixMatch, equation 4).

    Parameters
    ----------
    logits : sequence of (N, C, (Z), Y, X) tensors
        Finest first, each on the grid of the labels.
    labels : (N, (Z), Y, X) uint8 tensor
        0 ignored, k for channel k - 1.
    shift : (C,) tensor
        Added to the logits.
    depths : sequence of float
        Weight of each output; 1, 1/2, 1/4, ... where it is empty.
    """
    depths = depths or [2.0**-k for k in range(len(logits))]
    target = labels.long() - 1
    losses = [
        depth * functional.cross_entropy(
            each.float() + _broad(shift, each), target, ignore_index=-1, reduction="sum"
        )
        for depth, each in zip(depths, logits, strict=True)
    ]  # fmt: skip
    return torch.stack(losses).sum() / (sum(depths) * target.numel())


def ramp(used: float) -> float:
    """Part of the full weight at a part of the training, by a Gaussian (Mean Teacher, section 3.2).

    The teacher knows nothing at first.
    """
    return math.exp(-5 * (1 - min(1.0, used / _RAMP)) ** 2)


def _broad(shift: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return shift.view(-1, *[1] * (logits.ndim - 2))
