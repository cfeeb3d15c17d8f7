"""Shares: how common the classes really are, where strokes say otherwise.

People paint rare classes as much as common ones. A network that learns from such strokes finds the
rare ones too often: it takes each class for as common as it was painted.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from napari_ziggurat.training.loop import Batch, Trainee, make_batch
from napari_ziggurat.training.losses import class_weights
from napari_ziggurat.training.prior import (
    Shares,
    expectation_maximisation,
    filled,
    matching_shift,
)
from napari_ziggurat.training.stroke_logits import StrokeLogits
from napari_ziggurat.training.temperature import fit_temperature

__all__ = ["SHARES_BATCHES", "Shares", "estimate_shares", "expectation_maximisation"]

SHARES_BATCHES = 32  # of patches from anywhere, and of patches as training met them
_VOXELS = 4096  # of each patch; neighbours say the same


@torch.inference_mode()
def estimate_shares(
    trainee: Trainee, strokes: StrokeLogits, told: tuple[float | None, ...] = ()
) -> Shares:
    """Estimate how common each class is anywhere in the training images.

    The network is trained, and in evaluation mode. What it says of patches from anywhere is first
    brought to the temperature at which what it says of strokes is right.

    Parameters
    ----------
    trainee : Trainee
        With a network that has learned.
    strokes : StrokeLogits
        What it says of labelled voxels.
    told : tuple of (float or None)
        Share of each class that is known; the others share the rest as estimated. What is found
        then matches these shares.
    """
    everywhere = replace(trainee.sampler, everywhere=True)
    batches = (make_batch(everywhere, None, trainee.recipe, n) for n in range(SHARES_BATCHES))
    found = np.concatenate([_posteriors(trainee.network, batch) for batch in batches])
    taught = _taught(trainee)
    temperature = fit_temperature(strokes, taught)
    estimated = expectation_maximisation(_sharpened(found, temperature), taught)
    if told:
        known = filled(told, estimated)
        matching = tuple(matching_shift(found, known).tolist())
        return Shares(tuple(taught.tolist()), tuple(known.tolist()), matching)
    return Shares(tuple(taught.tolist()), tuple(estimated.tolist()), temperature=temperature)


def _sharpened(posteriors: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Give the probabilities of logits that are divided by a temperature."""
    logits = np.log(np.maximum(posteriors, 1e-12)) / temperature
    sharp: NDArray[np.float64] = softmax(logits.astype(np.float64), axis=1)
    return sharp


def _taught(trainee: Trainee) -> NDArray[np.float64]:
    """Shares of the classes in the last training steps, with the weights that they had there."""
    weights = np.array(class_weights(trainee.sampler.shares, used=1.0))
    counts = np.ones(len(weights))
    for number in range(SHARES_BATCHES):
        target = make_batch(trainee.sampler, None, trainee.recipe, number).target.numpy()
        counts += np.bincount(target.ravel(), minlength=len(weights) + 1)[1:]
    taught: NDArray[np.float64] = counts * weights / (counts * weights).sum()
    return taught


def _posteriors(network: nn.Module, batch: Batch) -> NDArray[np.float32]:
    """Class probabilities (n, classes) of evenly spread voxels."""
    device = next(network.parameters()).device
    logits: torch.Tensor = network(*batch.inputs(device)).float()
    rows = logits.softmax(dim=1).movedim(1, -1).flatten(0, -2)
    step = max(1, len(rows) // (_VOXELS * len(batch.image)))
    voxels: NDArray[np.float32] = rows[::step].cpu().numpy()
    return voxels
