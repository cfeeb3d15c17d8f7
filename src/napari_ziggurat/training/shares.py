"""Shares: how common the classes really are, where strokes say otherwise.

People paint rare classes as much as common ones. A network that learns from such strokes finds the
rare ones too often: it takes each class for as common as it was painted.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ziggurat.training.loop import Batch, Trainee, make_batch
from napari_ziggurat.training.losses import class_weights

__all__ = ["SHARES_BATCHES", "Shares", "estimate_shares", "expectation_maximisation"]

SHARES_BATCHES = 32  # of patches from anywhere, and of patches as training met them
_VOXELS = 4096  # of each patch; neighbours say the same
# Until nothing moves, a class that is hardly told from another would be taken for absent.
_ROUNDS = 2
_MOST = 20.0  # no class is taken for more times rarer or more common than it was taught


@dataclass(frozen=True)
class Shares:
    """Shares of the classes, one per channel of the network; each sums to one.

    Attributes
    ----------
    taught : tuple of float
        As the network met them in training.
    estimated : tuple of float
        As they are in the images.
    """

    taught: tuple[float, ...]
    estimated: tuple[float, ...]

    @property
    def shift(self) -> NDArray[np.float64]:
        """What is added to the logits of each class, by Bayes' rule."""
        ratio = np.array(self.estimated) / np.maximum(self.taught, 1e-12)
        return np.log(np.clip(ratio, 1 / _MOST, _MOST))


@torch.inference_mode()
def estimate_shares(trainee: Trainee) -> Shares:
    """Estimate how common each class is anywhere in the training images.

    The network is trained, and in evaluation mode.
    """
    everywhere = replace(trainee.sampler, everywhere=True)
    batches = (make_batch(everywhere, None, trainee.recipe, n) for n in range(SHARES_BATCHES))
    found = np.concatenate([_posteriors(trainee.network, batch) for batch in batches])
    taught = _taught(trainee)
    estimated = expectation_maximisation(found, taught)
    return Shares(tuple(taught.tolist()), tuple(estimated.tolist()))


def _taught(trainee: Trainee) -> NDArray[np.float64]:
    """Shares of the classes in the last training steps, with the weights that they had there."""
    weights = np.array(class_weights(trainee.sampler.shares, used=1.0))
    counts = np.ones(len(weights))
    for number in range(SHARES_BATCHES):
        target = make_batch(trainee.sampler, None, trainee.recipe, number).target.numpy()
        counts += np.bincount(target.ravel(), minlength=len(weights) + 1)[1:]
    taught: NDArray[np.float64] = counts * weights / (counts * weights).sum()
    return taught


def expectation_maximisation(
    posteriors: NDArray[np.floating], taught: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find shares that explain the posteriors of unlabelled voxels.

    Saerens, Latinne and Decaestecker, Neural Computation 14 (2002), equation 2.9, stopped early.

    Parameters
    ----------
    posteriors : (n, classes) array
        Rows sum to one.
    taught : (classes,) array
        Shares that the posteriors were learned with.
    """
    shares = taught
    for _ in range(_ROUNDS):
        weighted = posteriors * (shares / np.maximum(taught, 1e-12))
        shares = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(shares, np.float64)


def _posteriors(network: nn.Module, batch: Batch) -> NDArray[np.float32]:
    """Class probabilities (n, classes) of evenly spread voxels."""
    device = next(network.parameters()).device
    logits: torch.Tensor = network(*batch.inputs(device)).float()
    rows = logits.softmax(dim=1).movedim(1, -1).flatten(0, -2)
    step = max(1, len(rows) // (_VOXELS * len(batch.image)))
    voxels: NDArray[np.float32] = rows[::step].cpu().numpy()
    return voxels
