"""Share check: whether a shift of the logits agrees with what people painted.

A network that has learned little takes what it cannot tell for a class that it can hardly tell
from the rest. An estimate of how common the classes are then gives most of the image to that class,
and the shift for it loses the others even on the strokes, which lie where classes are plain.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.training.stroke_logits import StrokeLogits

__all__ = ["Fall", "find_fall"]

_MOST_LOST = 0.1  # of the recall of a class on strokes


@dataclass(frozen=True)
class Fall:
    """A class that a shift loses on strokes.

    Attributes
    ----------
    channel : int
    before, after : float
        Part of its painted voxels that is found without the shift and with it.
    trained_on : bool
        The strokes are some that the network learned from.
    """

    channel: int
    before: float
    after: float
    trained_on: bool


def find_fall(strokes: StrokeLogits, shift: NDArray[np.floating]) -> Fall | None:
    """Find the class whose recall on strokes falls most; None where none falls by a tenth.

    A shift that is right finds rare classes less often, but not where somebody painted them.
    """
    before, after = strokes.recall(np.zeros_like(shift)), strokes.recall(shift)
    lost = np.nan_to_num(before - after)
    worst = int(lost.argmax())
    if lost[worst] <= _MOST_LOST:
        return None
    return Fall(worst, float(before[worst]), float(after[worst]), strokes.trained_on)
