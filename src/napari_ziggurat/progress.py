"""Progress: what a run yields while it works."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias, TypeVar

__all__ = ["Progress", "Run", "finish"]

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
