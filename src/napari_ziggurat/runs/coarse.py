"""Coarse pass: a level of the image segmented into a working store, for a finer run to read.

It is an ordinary run: journalled, gone on with after an interruption, computed by whoever computes
the finer one. Its probabilities stay beside the output until that is finished.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Upsampling
from napari_ziggurat.images import open_output
from napari_ziggurat.progress import Run
from napari_ziggurat.runs.carry_out import facts, look_through
from napari_ziggurat.runs.crew import Crew
from napari_ziggurat.runs.fill import WHOLE, Share, fill
from napari_ziggurat.runs.options import coarse_changes
from napari_ziggurat.runs.output import Output, begin_output, is_finished
from napari_ziggurat.runs.place import probabilities_path
from napari_ziggurat.runs.plan import SegmentPlan
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.verify import verify

__all__ = ["CoarseCrop", "CoarseProbabilities", "coarse_pass"]


def coarse_pass(
    plan: SegmentPlan, session: Session, out: Path, crew: Crew, share: Share = WHOLE
) -> Run[Output]:
    """Compute the probabilities of a coarse level, or what is missing of them.

    Parameters
    ----------
    plan : SegmentPlan
        One of those in `SegmentPlan.coarse`.
    session : Session
        Of the model and the options of the whole run.
    out : Path
        The working store, see `coarse_store`. One that another run left there is replaced.
    crew : Crew
        Who computes the whole run. A part waits here for the others.
    share : Share
        Where in the run this is.

    Returns
    -------
    Output
        As the generator's value; it is complete.
    """
    intensities = yield from look_through(plan, session)
    output = _begin(plan, session, out, crew)
    if session.options.verify:
        output = yield from verify(output)
    if not output.complete:
        ours = crew.with_changes(coarse_changes(plan.level, plan.region))
        with ours.at_work(output, session, dict(enumerate(intensities))) as (schedule, executor):
            yield from fill(output, schedule, executor, share, wait=True)
    return output


def _begin(plan: SegmentPlan, session: Session, out: Path, crew: Crew) -> Output:
    """Begin anew or go on; what is finished is kept, for others may be reading it."""
    fingerprint = session.fingerprint(plan)
    with crew.alone(out):
        unfinished = not is_finished(out, fingerprint)
        return begin_output(plan, out, fingerprint, facts(plan), overwrite=unfinished)


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
