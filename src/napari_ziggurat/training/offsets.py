"""Offsets: what is added to the logits of each class so that held-out labels are found best.

Dice is not maximal where each class is the most probable one, above all for rare classes (Lipton
and others 2014, arXiv 1402.1892).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.training.apart import LEAST
from napari_ziggurat.training.prior import MOST
from napari_ziggurat.training.stroke_logits import StrokeLogits

__all__ = ["Fitted", "fit_offsets", "mean_dice"]

_ROUNDS = 3  # over all classes
_STEPS = np.linspace(-np.log(MOST), np.log(MOST), 61)  # no class is moved by more than that
_BLOCKS = 4  # at least, so that each half has two
_LEAST_GAIN = 0.005  # of the mean Dice

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """Offsets, and what they are worth.

    Attributes
    ----------
    offsets : (classes,) array
        Zeros where they are not worth it.
    before, after : float
        Mean Dice without them, and with those that the other half of the blocks asks for.
    voxels, blocks : int
        That they were fitted to.
    """

    offsets: Vector
    before: float
    after: float
    voxels: int
    blocks: int

    @property
    def pays(self) -> bool:
        """Whether voxels that they were not fitted to are found better."""
        return self.after >= self.before + _LEAST_GAIN


def fit_offsets(
    strokes: StrokeLogits, counted: NDArray[np.bool_], weights: Vector | None = None
) -> Fitted | None:
    """Find the offsets by which the mean Dice of held-out voxels is largest.

    They are judged crosswise: those that one half of the blocks asks for, on the other half.

    Parameters
    ----------
    strokes : StrokeLogits
        Held-out voxels.
    counted : (classes,) array of bool
        Classes whose Dice counts: all but the background.
    weights : (classes,) array, optional
        How much a voxel of each class counts, where classes were painted in other parts than there
        are.

    Returns
    -------
    Fitted or None
        None where there are fewer than four blocks, or fewer than 50 voxels of a class in a half.
    """
    blocks = np.unique(strokes.blocks)
    half = np.isin(strokes.blocks, blocks[::2])
    halves = [_some(strokes, half), _some(strokes, ~half)]
    there = strokes.voxels > 0
    if len(blocks) < _BLOCKS or any((each.voxels[there] < LEAST).any() for each in halves):
        return None
    weights = np.ones(len(counted)) if weights is None else weights
    none = np.zeros(len(counted))
    before = [mean_dice(each, none, counted, weights) for each in halves]
    crosswise = [_fit(each, counted, weights) for each in reversed(halves)]
    after = [mean_dice(h, o, counted, weights) for h, o in zip(halves, crosswise, strict=True)]
    found = Fitted(none, sum(before) / 2, sum(after) / 2, len(half), len(blocks))
    return replace(found, offsets=_fit(strokes, counted, weights)) if found.pays else found


def mean_dice(
    strokes: StrokeLogits, offsets: Vector, counted: NDArray[np.bool_], weights: Vector
) -> float:
    """Mean Dice of the classes that count and occur."""
    return _score(strokes, (strokes.logits + offsets).argmax(axis=1), counted, weights)


def _fit(strokes: StrokeLogits, counted: NDArray[np.bool_], weights: Vector) -> Vector:
    """Move one class after the other to the middle of where it is best."""
    offsets = np.zeros(len(counted))
    for _ in range(_ROUNDS):
        for channel in range(len(offsets)):
            offsets[channel] = _best(strokes, offsets, channel, counted, weights)
    moved: Vector = offsets - offsets.mean()
    return moved


def _best(
    strokes: StrokeLogits, offsets: Vector, channel: int, counted: NDArray[np.bool_],
    weights: Vector,
) -> float:  # fmt: skip
    """Give the offset of a class that is best with those of the others; as it is if it may stay."""
    shifted = (strokes.logits + offsets).astype(np.float64)
    own = strokes.logits[:, channel].astype(np.float64)
    shifted[:, channel] = -np.inf
    rival, height = shifted.argmax(axis=1), shifted.max(axis=1)
    tried = np.append(_STEPS, offsets[channel])
    scores = np.array(
        [
            _score(strokes, np.where(own + step > height, channel, rival), counted, weights)
            for step in tried
        ]
    )
    best = scores >= scores.max() - 1e-9
    if best[-1]:
        return float(offsets[channel])
    plateau = tried[:-1][best[:-1]]
    return float(plateau[len(plateau) // 2])


def _score(
    strokes: StrokeLogits, found: NDArray[np.int64], counted: NDArray[np.bool_], weights: Vector
) -> float:
    classes, true = len(counted), strokes.channels
    heavy = weights[true]
    both = np.bincount(true[found == true], heavy[found == true], minlength=classes)
    sizes = np.bincount(true, heavy, minlength=classes) + np.bincount(
        found, heavy, minlength=classes
    )
    there = counted & (strokes.voxels > 0)
    return float((2 * both[there] / np.maximum(sizes[there], 1e-12)).mean())


def _some(strokes: StrokeLogits, mask: NDArray[np.bool_]) -> StrokeLogits:
    return replace(
        strokes,
        logits=strokes.logits[mask],
        channels=strokes.channels[mask],
        blocks=strokes.blocks[mask],
    )
