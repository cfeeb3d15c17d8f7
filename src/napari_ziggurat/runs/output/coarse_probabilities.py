"""Coarse probabilities: what a coarse pass found, at the voxels of a finer level."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Upsampling
from napari_ziggurat.images import open_output
from napari_ziggurat.runs.output.place import coarse_store, probabilities_path
from napari_ziggurat.runs.plan.plan import SegmentPlan

__all__ = ["CoarseCrop", "CoarseProbabilities", "coarse_probabilities"]


@dataclass(frozen=True, eq=False)
class CoarseCrop:
    """Coarse voxels in memory, of which fine ones are made.

    Attributes
    ----------
    values : (classes, (Z), Y, X) float32 array
    start : tuple of int
        Where they begin in the coarse level.
    upsampling : Upsampling
        From the coarse level to the fine one.
    """

    values: NDArray[np.float32]
    start: tuple[int, ...]
    upsampling: Upsampling

    def read(self, box: Box) -> NDArray[np.float32]:
        """Probabilities (classes, (Z), Y, X) of a box of the fine level, which lies within."""
        return self.upsampling(self.values, self.start, box)


@dataclass(frozen=True)
class CoarseProbabilities:
    """Probabilities of a coarse pass, at the voxels of a finer level.

    Linear between the centres of coarse voxels, wherever the levels have them. What a fine voxel
    gets depends on its place alone, not on the box that is read.

    Attributes
    ----------
    store : Path
        OME-Zarr of the probabilities.
    region : Box
        What it holds of the coarse level.
    upsampling : Upsampling
        From the coarse level to the fine one.
    has_time : bool
        The store has a time axis.
    """

    store: Path
    region: Box
    upsampling: Upsampling
    has_time: bool = False

    @classmethod
    def of(cls, coarse: SegmentPlan, out: Path, fine: int) -> "CoarseProbabilities":
        """Find what a coarse pass wrote.

        Parameters
        ----------
        coarse : SegmentPlan
            Its plan.
        out : Path
            Its output, as given to `coarse_pass`.
        fine : int
            Level of the image whose voxels are asked for.
        """
        levels = coarse.image.levels
        upsampling = levels[fine].upsampling(levels[coarse.level])
        return cls(probabilities_path(out), coarse.region, upsampling, coarse.image.axes.has("t"))

    def read(self, box: Box, time: int = 0) -> NDArray[np.float32]:
        """Probabilities (classes, (Z), Y, X) of a box of the fine level."""
        return self.load(box, time).read(box)

    def load(self, box: Box, time: int = 0) -> CoarseCrop:
        """Read once what a box of the fine level, and any box within, needs."""
        needed = self.upsampling.support(box)
        return CoarseCrop(self.stored(needed, time), needed.start, self.upsampling)

    def stored(self, box: Box, time: int = 0) -> NDArray[np.float32]:
        """Probabilities (classes, (Z), Y, X) of a box of the coarse level itself."""
        here = box.relative_to(self.region.start).slices
        lead = (slice(time, time + 1),) if self.has_time else ()
        stored = np.asarray(self._array[(*lead, slice(None), *here)], np.float32)
        return stored[0] if self.has_time else stored

    @cached_property
    def _array(self) -> Any:
        """Opened when it is first read: then the pass is over."""
        return open_output(self.store)[0]


def coarse_probabilities(plan: SegmentPlan, out: Path) -> list[CoarseProbabilities]:
    """Give those of each coarser level of a plan, finest first; they are opened when read."""
    return [
        CoarseProbabilities.of(each, coarse_store(out, each.level), plan.level)
        for each in plan.coarse
    ]
