"""Block result: labels of a block at every level that is predicted, and probabilities if wanted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.inference.labels import most_probable
from napari_ziggurat.inference.levels import PredictedLevel
from napari_ziggurat.runs.plan import SegmentPlan

__all__ = ["BlockResult"]


@dataclass(frozen=True)
class BlockResult:
    """What is computed for a block.

    Attributes
    ----------
    box : Box
        Voxels of the image.
    values : tuple of int
        Class value of each channel.
    levels : tuple of PredictedLevel
        Finest first.
    labels : tuple of ((Z), Y, X) uint8 arrays
        One for each level.
    probabilities : tuple of (classes, (Z), Y, X) float32 arrays
        One for each level; none where they are not wanted.
    """

    box: Box
    values: tuple[int, ...]
    levels: tuple[PredictedLevel, ...]
    labels: tuple[NDArray[np.uint8], ...]
    probabilities: tuple[NDArray[np.float32], ...]

    @classmethod
    def empty(cls, plan: SegmentPlan, box: Box) -> "BlockResult":
        """Make room for a block; every voxel is to be put."""
        values = tuple(c.value for c in plan.spec.classes)
        shapes = [level.box(box).shape for level in plan.levels]
        labels = tuple(np.empty(shape, np.uint8) for shape in shapes)
        wanted = shapes if plan.probabilities else []
        more = tuple(np.empty((len(values), *shape), np.float32) for shape in wanted)
        return cls(box, values, plan.levels, labels, more)

    def put(self, box: Box, predictions: Sequence[NDArray[np.float32]]) -> None:
        """Take the probabilities (classes, (Z), Y, X) of a box inside the block at each level."""
        for number, (level, found) in enumerate(zip(self.levels, predictions, strict=True)):
            inside = level.box(box).relative_to(level.box(self.box).start).slices
            self.labels[number][inside] = most_probable(found, self.values)
            if self.probabilities:
                self.probabilities[number][(slice(None), *inside)] = found
