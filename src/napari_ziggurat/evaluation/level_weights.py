"""Level weights: how much each level of an image should count for each class, from labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["fit_level_weights"]

Numbers = NDArray[np.floating[Any]]

_NEVER_ZERO = 1e-6  # a class that is thought impossible and is there costs much, not infinitely
_STEPS = 200
_DIGITS = 4


def fit_level_weights(
    probabilities: Numbers, truth: NDArray[np.integer[Any]], counts: Numbers
) -> tuple[tuple[float, ...], ...]:
    """Find the weights for which the fused probabilities say best what the labels say.

    With P_c the sum over levels of weight(level, c) * p(level, c), the mean of -log(P_truth / sum
    of all P_c) is minimised by L-BFGS (Liu and Nocedal 1989, doi:10.1007/BF01589116), from equal
    weights. The weights of a class are a softmax over levels: positive, with sum one, so that
    fusing cannot make a class more or less common as such.

    Parameters
    ----------
    probabilities : (voxels, levels, classes) array
        What each level says of labelled voxels.
    truth : (voxels,) array of integers
        Channel of each voxel's class.
    counts : (voxels,) array
        How many labelled voxels each stands for.

    Returns
    -------
    tuple of tuple of float
        One for each level and class, to four digits; the same input gives the same weights.
    """
    shape = probabilities.shape[1:]
    share = counts / counts.sum()

    def loss(free: Numbers) -> tuple[float, Numbers]:
        return _loss(free.reshape(shape), probabilities.astype(np.float64), truth, share)

    found = minimize(
        loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}
    )
    return _rounded(_softmax(found.x.reshape(shape)))


def _loss(
    free: Numbers, probabilities: Numbers, truth: NDArray[np.integer[Any]], share: Numbers
) -> tuple[float, Numbers]:
    """Mean cross-entropy and its gradient by the numbers that softmax makes weights of."""
    weights = _softmax(free)
    fused = np.einsum("nlc,lc->nc", probabilities, weights) + _NEVER_ZERO
    whole = fused.sum(axis=1)
    rows = np.arange(len(truth))
    right = fused[rows, truth]
    by_fused = np.repeat((share / whole)[:, None], fused.shape[1], axis=1)
    by_fused[rows, truth] -= share / right
    by_weight = np.einsum("nc,nlc->lc", by_fused, probabilities)
    gradient = weights * (by_weight - (weights * by_weight).sum(axis=0))
    return float((share * np.log(whole / right)).sum()), gradient.ravel()


def _softmax(free: Numbers) -> Numbers:
    grown = np.exp(free - free.max(axis=0))
    weights: Numbers = grown / grown.sum(axis=0)
    return weights


def _rounded(weights: Numbers) -> tuple[tuple[float, ...], ...]:
    """Round to a few digits; the first level takes what is left to one."""
    coarser = np.round(weights[1:], _DIGITS)
    finest = np.round(1 - coarser.sum(axis=0), _DIGITS)
    return tuple(tuple(row) for row in np.maximum(0.0, [finest, *coarser]).tolist())
