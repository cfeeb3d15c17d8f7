"""Block result: labels of a block at every level that is predicted, and probabilities if wanted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Lattice, blend_weights
from napari_ziggurat.inference.block import Piece
from napari_ziggurat.inference.labels import most_probable
from napari_ziggurat.inference.levels import PredictedLevel
from napari_ziggurat.runs.plan.plan import SegmentPlan

__all__ = ["BlockResult"]


@dataclass(frozen=True, eq=False)
class BlockResult:
    """What is computed for a block, piece by piece.

    Attributes
    ----------
    box : Box
        Voxels of the image.
    values : tuple of int
        Class value of each channel; those that tell of objects follow.
    lattice : Lattice
        Tells whether windows blend.
    levels : tuple of PredictedLevel
        Finest first.
    labels : tuple of ((Z), Y, X) uint8 arrays
        One for each level; where windows blend, made of the probabilities by `finish`.
    probabilities : tuple of (outputs, (Z), Y, X) arrays
        One for each level, in the type that is written; none where they are not wanted.
    blended : (outputs, (Z), Y, X) float32 array or None
        Sum of what the windows say, where they blend.
    """

    box: Box
    values: tuple[int, ...]
    lattice: Lattice
    levels: tuple[PredictedLevel, ...]
    labels: tuple[NDArray[np.uint8], ...]
    probabilities: tuple[NDArray[np.generic], ...]
    blended: NDArray[np.float32] | None = None

    @classmethod
    def empty(cls, plan: SegmentPlan, box: Box) -> "BlockResult":
        """Make room for a block; it is background where nothing is put."""
        values, channels = tuple(c.value for c in plan.spec.classes), len(plan.spec.outputs)
        shapes = [level.box(box).shape for level in plan.levels]
        labels = tuple(np.zeros(shape, np.uint8) for shape in shapes)
        wanted = shapes if plan.probabilities else []
        kind = np.dtype(plan.probability_type)
        more = tuple(np.zeros((channels, *shape), kind) for shape in wanted)
        sums = np.zeros((channels, *box.shape), np.float32) if plan.lattice.blend else None
        return cls(box, values, plan.lattice, plan.levels, labels, more, sums)

    def put(self, piece: Piece) -> None:
        """Take what the window of a cell says; where windows blend, in the order of the cells."""
        if self.blended is not None:
            self._blend(piece)
            return
        box = piece.box.intersect(self.box)
        for number, level in enumerate(self.levels):
            here = level.box(box).relative_to(level.box(self.box).start).slices
            there = level.box(box).relative_to(level.box(piece.box).start).slices
            self.labels[number][here] = piece.labels[number][there]
            if self.probabilities:
                kept = piece.probabilities[number][(slice(None), *there)]
                _store(kept, self.probabilities[number][(slice(None), *here)])

    def finish(self) -> None:
        """Decide where windows blend, once all are there."""
        if self.blended is None:
            return
        self.labels[0][...] = most_probable(self.blended, self.values)
        if self.probabilities:
            _store(self.blended, self.probabilities[0])

    def foreground(self, box: Box) -> int:
        """Count the voxels of a box, in the image, that are not background."""
        here = box.relative_to(self.box.start).slices
        return int(np.count_nonzero(self.labels[0][here]))

    def _blend(self, piece: Piece) -> None:
        assert self.blended is not None
        box = piece.box.intersect(self.box)
        here = box.relative_to(self.box.start).slices
        there = box.relative_to(piece.box.start).slices
        weights = blend_weights(self.lattice, piece.cell, box)
        self.blended[(slice(None), *here)] += (
            weights * piece.probabilities[0][(slice(None), *there)]
        )


def _store(probabilities: NDArray[np.float32], into: NDArray[np.generic]) -> None:
    """Write probabilities in the type of an array; in uint8 255 stands for 1."""
    if into.dtype.kind == "u":
        into[...] = np.rint(probabilities * 255)
    else:
        into[...] = probabilities
