"""Progress: what a run yields while it works, and the time that the rest takes."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias, TypeVar

__all__ = ["WATCHED", "Clock", "Progress", "Run", "duration", "finish"]

WATCHED = "ZIGGURAT_WATCHED"
"""Environment variable: a program reads the lines of progress, so they come as they are drawn."""

_EARLY = 1.0  # seconds after which the rest of the time can be told

Result = TypeVar("Result")


@dataclass(frozen=True)
class Progress:
    """One step of a run.

    Attributes
    ----------
    stage : str
        What is being done, in one or two words: ``"train"``, ``"segment"``, ``"pyramid"``.
    done, total : int, int or None
        How much of it; ``total`` is None where it is not known.
    message : str
        A sentence for the person who waits; empty when there is nothing to say.
    metrics : mapping of str to float
        Numbers worth plotting, such as ``{"loss": 0.3}``.
    """

    stage: str
    done: int = 0
    total: int | None = None
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


Run: TypeAlias = Generator[Progress, None, Result]
"""A run: yields `Progress`, returns its result; closing it cancels."""


def finish(run: Run[Result]) -> Result:
    """Run a generator of `Progress` to its end and give back what it returns."""
    while True:
        try:
            next(run)
        except StopIteration as stop:
            result: Result = stop.value
            return result


class Clock:
    """Tells how long a stage still takes, from what is done and since when."""

    def __init__(self) -> None:
        self._stage = ""
        self._first = 0  # what was done when the stage began: a run that goes on is not at 0
        self._began = 0.0

    def left(self, step: Progress, now: float) -> float | None:
        """Seconds until the stage is done; None where that is not known yet."""
        if step.stage != self._stage:
            (self._stage, self._first, self._began) = (step.stage, step.done, now)
        (elapsed, gained) = (now - self._began, step.done - self._first)
        if step.total is None or step.done >= step.total or gained <= 0 or elapsed < _EARLY:
            return None
        return elapsed * (step.total - step.done) / gained


def duration(seconds: float) -> str:
    """Put a time in words: ``"2 h 5 min"``, ``"3 min 20 s"``, ``"8 s"``; at least a second."""
    (minutes, rest) = divmod(max(1, round(seconds)), 60)
    (hours, minutes) = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
