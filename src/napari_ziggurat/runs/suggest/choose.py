"""Choose: the level that is looked at everywhere, so that it takes no longer than it may."""

from collections.abc import Callable
from dataclasses import dataclass

from napari_ziggurat.images import Image
from napari_ziggurat.progress import duration
from napari_ziggurat.runs.config import SuggestConfig
from napari_ziggurat.runs.plan.plan import by
from napari_ziggurat.runs.suggest.survey import Survey
from napari_ziggurat.runs.suggest.task import Task

__all__ = ["Choice", "choose_survey"]

# Coarser, the model would not recognise what it was trained on: training zooms by a third or so,
# and a network tells large from small up to a point.
_COARSEST = 4.0


@dataclass(frozen=True, eq=False)
class Choice:
    """What is looked at, and what a person should know of it.

    Attributes
    ----------
    survey : Survey
    share : float
        Share of its blocks that are looked at.
    notes : tuple of str
        A sentence each.
    """

    survey: Survey
    share: float
    notes: tuple[str, ...]

    def render(self) -> str:
        """Say what is looked at."""
        plan = self.survey.plan
        return (
            f"{plan.image.name}: level {plan.level} of {len(plan.image.levels)} is looked at, "
            f"{by(plan.region.shape)} voxels of {plan.image.levels[plan.level].spacing} in "
            f"{self.survey.windows} windows; boxes of about {by(self.survey.finder.size)}"
        )


def choose_survey(task: Task, plan: Callable[[int], Survey]) -> Choice:
    """Take the finest level that can be looked at in time, or a sample of a coarse one.

    What a window takes is measured where there are more than a few. Blocks of which nothing is
    stored take none.

    Parameters
    ----------
    task : Task
        What is looked for; its level is taken where one was asked for.
    plan : callable
        Level -> how it would be looked at.
    """
    config, allowed = task.config, task.config.minutes * 60
    levels = _levels(task.image, task.own) if config.level is None else [config.level]
    taken: list[float] = []
    for level in levels:
        survey = plan(level)
        taken.append(_seconds(survey, allowed, config.seed))
        if taken[-1] <= allowed:
            break
    share = min(1.0, allowed / taken[-1]) if taken[-1] else 1.0
    notes = [] if level == levels[0] else [_coarser_words(level, task, taken[0])]
    notes += [] if share == 1 else [_sample_words(level, config, taken[-1], share)]
    return Choice(survey, share, tuple(notes))


def _seconds(survey: Survey, allowed: float, seed: int) -> float:
    """Tell how long a level takes; what is stored of it is asked only where it matters."""
    seconds = survey.window_seconds * survey.windows
    return seconds if seconds <= allowed else seconds * survey.stored_share(seed)


def _levels(image: Image, own: int) -> list[int]:
    """List the levels at which the model still sees something, its own first."""
    voxel = image.levels[own].spacing.values
    found = [own]
    for number in range(own + 1, len(image.levels)):
        coarse = image.levels[number].spacing.values
        if max(c / v for c, v in zip(coarse, voxel, strict=True)) <= _COARSEST * 1.1:
            found.append(number)
    return found


def _coarser_words(level: int, task: Task, seconds: float) -> str:
    return (
        f"Level {level} is looked at, because level {task.own}, which fits the model, would take "
        f"about {duration(seconds)} and --minutes {task.config.minutes:g} are allowed; the best "
        f"places are looked at again at level {task.own}."
    )


def _sample_words(level: int, config: SuggestConfig, seconds: float, share: float) -> str:
    return (
        f"A random {share:.2%} of level {level} is looked at (--seed {config.seed}), because all "
        f"of it would take about {duration(seconds)} and --minutes {config.minutes:g} are allowed."
    )
