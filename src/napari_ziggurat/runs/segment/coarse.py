"""Coarse pass: a level of the image segmented into a working store, for a finer run to read.

It is an ordinary run: journalled, gone on with after an interruption, computed by whoever computes
the finer one. Its probabilities stay beside the output until that is finished.
"""

from pathlib import Path

from napari_ziggurat.progress import Run
from napari_ziggurat.runs.output.output import Output, begin_output, is_finished
from napari_ziggurat.runs.output.verify import verify
from napari_ziggurat.runs.plan.options import coarse_changes
from napari_ziggurat.runs.plan.plan import SegmentPlan
from napari_ziggurat.runs.segment.carry_out import facts, look_through
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.workers.crew import Crew
from napari_ziggurat.runs.workers.fill import WHOLE, Share, fill

__all__ = ["coarse_pass"]


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
        return begin_output(
            plan, out, fingerprint, facts(plan, session, crew), overwrite=unfinished
        )
