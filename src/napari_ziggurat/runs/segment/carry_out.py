"""Carry out: a plan is begun at its place, looked through and verified; where every pass begins."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_ziggurat.images.finite import refuse_not_finite
from napari_ziggurat.networks import Intensity
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.output.output import Output, begin_output
from napari_ziggurat.runs.plan.plan import SegmentPlan
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.workers.crew import Crew

__all__ = ["begin", "facts", "look_through"]


def begin(
    plan: SegmentPlan, session: Session, out: Path, crew: Crew, *, overwrite: bool = False
) -> Output:
    """Create an output, or go on with the one of the same run; see `begin_output`."""
    with crew.alone(out):  # of several parts one makes the output
        return begin_output(
            plan, out, session.fingerprint(plan), facts(plan, session, crew), overwrite=overwrite
        )


def look_through(plan: SegmentPlan, session: Session) -> Run[tuple[Intensity, ...]]:
    """Refuse what a network cannot use before anything is written; normalisation of each time."""
    for level, region in plan.read_regions:
        yield from refuse_not_finite(plan.image, level, region)
    found: list[Intensity] = []
    for moment in range(plan.times):
        found.append(session.intensity(plan.image, plan.level, moment))
        yield Progress("check", moment + 1, plan.times)
    return tuple(found)


def facts(plan: SegmentPlan, session: Session, crew: Crew) -> dict[str, Any]:
    """Give what is told of the run in its output."""
    return {
        "model": session.digest,
        "command": crew.command,
        "settings": asdict(session.options),
        "task": plan.spec.task,
        "classes": [asdict(c) for c in plan.spec.classes],
        **({"shapes": list(plan.spec.shapes)} if plan.spec.shapes else {}),
        **({"objects": plan.spec.objects.model_dump()} if plan.spec.objects else {}),
        "image": str(plan.image.source or plan.image.name),
        "plan": plan.as_dict(),
        "versions": dict(plan.spec.versions),
    }
