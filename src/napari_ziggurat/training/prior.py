"""Prior: how common classes are, and what that means for the logits of a network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "Shares", "expectation_maximisation", "filled", "matching_shift"]

# Until nothing moves, a class that is hardly told from another would be taken for absent.
_ROUNDS = 2
MOST = 20.0
"""No class is taken for more times rarer or more common than it was taught."""
_MATCHING_ROUNDS, _DAMPING = 100, 0.5


@dataclass(frozen=True)
class Shares:
    """Shares of the classes, one per channel of the network; each sums to one.

    Attributes
    ----------
    taught : tuple of float
        As the network met them in training.
    estimated : tuple of float
        As they are in the images, or as they were told.
    matching : tuple of float
        What has to be added to the logits so that so many voxels are found; empty where Bayes'
        rule is taken.
    temperature : float
        By which the logits have to be divided to be those of probabilities.
    """

    taught: tuple[float, ...]
    estimated: tuple[float, ...]
    matching: tuple[float, ...] = ()
    temperature: float = 1.0

    @property
    def shift(self) -> NDArray[np.float64]:
        """What is added to the logits of each class."""
        if self.matching:
            return np.array(self.matching)
        ratio = np.array(self.estimated) / np.maximum(self.taught, 1e-12)
        return self.temperature * np.log(np.clip(ratio, 1 / MOST, MOST))


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


def filled(told: tuple[float | None, ...], estimated: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put estimates where nothing was told, scaled so that everything sums to one."""
    known = np.array([np.nan if share is None else share for share in told], np.float64)
    open_ = np.isnan(known)
    rest = max(0.0, 1 - float(np.nansum(known)))
    scale = rest / max(float(estimated[open_].sum()), 1e-12)
    return np.where(open_, estimated * scale, known)


def matching_shift(
    posteriors: NDArray[np.floating], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find what has to be added to the logits so that each class is found as often as told.

    A class counts where it is the most probable one. No class is moved by more than a factor of
    20 against another, so a share that cannot be reached does not ruin the others.

    Parameters
    ----------
    posteriors : (n, classes) array
        Of voxels from anywhere.
    shares : (classes,) array
        Part of the voxels that each class has.
    """
    logits = np.log(np.maximum(posteriors, 1e-12)).astype(np.float64)
    shift, least = np.zeros(len(shares)), 0.5 / len(posteriors)
    best, closest = shift, np.inf
    step, last = np.full(len(shares), _DAMPING), np.zeros(len(shares))
    for _ in range(_MATCHING_ROUNDS):
        found = np.bincount((logits + shift).argmax(axis=1), minlength=len(shares))
        found_shares = found / len(posteriors)
        if (missed := np.abs(found_shares - shares).sum()) < closest:
            best, closest = shift, missed
        wanted = np.log((shares + least) / (found_shares + least))
        # Where all voxels look alike a little tips the balance for all of them.
        step = np.where(wanted * last < 0, step / 2, np.minimum(step * 1.05, _DAMPING))
        shift, last = shift + step * wanted, wanted
        shift = np.clip(shift - shift.mean(), -np.log(MOST), np.log(MOST))
    return best
