"""Equalize: measuring the scale equalizers of a network on training patches."""

import torch

from napari_ziggurat.networks.calibration import calibrate, initialise_weights
from napari_ziggurat.networks.fusion import Fuse
from napari_ziggurat.training.loop import Trainee, make_batch

__all__ = ["calibrate_on_patches", "is_equalized"]

_BATCHES = 6
_FIRST = 2**32  # number of the first batch; training and the statistics of norms have others


def is_equalized(network: torch.nn.Module) -> bool:
    """Tell whether a network has equalizers."""
    return any(isinstance(m, Fuse) and len(m.equalizers) for m in network.modules())


def calibrate_on_patches(trainee: Trainee, *, into_weights: bool = False) -> int:
    """Measure the equalizers on batches that training does not use otherwise.

    Parameters
    ----------
    trainee : Trainee
        Its network is changed in place.
    into_weights : bool
        Move what was measured into the weights after the equalizers, which then do nothing more.

    Returns
    -------
    int
        Number of fusions that were measured.
    """
    network = trainee.network.to(trainee.device)
    batches = [
        make_batch(trainee.sampler, None, trainee.recipe, _FIRST + n).inputs(trainee.device)
        for n in range(_BATCHES)
    ]
    fusions = calibrate(network, batches)
    if into_weights:
        initialise_weights(network)
    return len(fusions)
