"""Looking: at all of a level for the best spots, and again at the middle of some at a finer one."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from napari_ziggurat.geometry import Box
from napari_ziggurat.inference.spots import Spot
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.plan.level import box_between
from napari_ziggurat.runs.suggest.candidates import Candidates
from napari_ziggurat.runs.suggest.choose import Choice
from napari_ziggurat.runs.suggest.rank import places, rank
from napari_ziggurat.runs.suggest.survey import Job, Survey
from napari_ziggurat.runs.suggest.task import Task

__all__ = ["Found", "look_again", "look_everywhere"]


@dataclass(frozen=True)
class Found:
    """Spots of one level, the most uncertain first.

    Attributes
    ----------
    survey : Survey
        By which they were found.
    spots : tuple of Spot
    windows : int
        Windows that were looked at for them.
    """

    survey: Survey
    spots: tuple[Spot, ...]
    windows: int

    def ranked(self, count: int) -> list[Spot]:
        """Take so many, uncertain ones that are not alike; see `rank`."""
        if not self.spots:
            return []
        where = places(self.survey.plan, self.spots, count)
        return rank(self.spots, where, count)


def look_everywhere(task: Task, choice: Choice) -> Run[Found]:
    """Look at a level, or at a sample of it."""
    survey = choice.survey
    jobs, windows = survey.jobs(choice.share, task.config.seed)
    spots = yield from _look(task, survey, jobs, Progress("look", 0, windows))
    return Found(survey, spots, windows)


def look_again(task: Task, survey: Survey, coarse: Found, spots: Sequence[Spot]) -> Run[Found]:
    """Look at the middle of spots that were found at a coarser level.

    Parameters
    ----------
    task : Task
        What is looked for.
    survey : Survey
        How the finer level is looked at.
    coarse : Found
        What the spots are of.
    spots : sequence of Spot
        Some of those.
    """
    boxes: set[tuple[int, Box]] = set()
    cells: set[tuple[int, tuple[int, ...]]] = set()
    for spot in spots:
        there = box_between(task.image, spot.box, coarse.survey.plan.level, survey.plan.level)
        middle = [(a + b) / 2 for a, b in zip(there.start, there.stop, strict=True)]
        boxes.add((spot.time, survey.box_at(middle)))
        cells.add((spot.time, survey.cell_at(middle)))
    jobs = [(t, Box(i, tuple(n + 1 for n in i))) for t, i in sorted(cells)]
    found = yield from _look(task, survey, jobs, Progress("look again", 0, len(jobs)), boxes)
    return Found(survey, found, coarse.windows + len(jobs))


def _look(
    task: Task,
    survey: Survey,
    jobs: Iterable[Job],
    begin: Progress,
    only: set[tuple[int, Box]] | None = None,
) -> Run[tuple[Spot, ...]]:
    """Look at blocks and keep the best spots; of those of a set, where there is one."""
    candidates = Candidates(partial(task.accepts, survey.plan.level))
    done = 0
    yield begin
    with closing(survey.look(jobs)) as looked:
        for each in looked:
            for spot in each.spots:
                if only is None or (spot.time, spot.box) in only:
                    candidates.offer(spot)
            done += each.windows
            yield Progress(begin.stage, done, begin.total)
    return candidates.best()
