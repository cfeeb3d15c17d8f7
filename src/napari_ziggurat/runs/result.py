"""Result: what every run gives back when it is done."""

from typing import Protocol

__all__ = ["Result"]


class Result(Protocol):
    """Outcome of a run, for a program and for a person.

    Where some of the work failed, the run raises a `WorkFailed` with the outcome of the rest as its
    attribute ``result``; the command line shows that before the error.
    """

    def as_dict(self) -> dict[str, object]:
        """Values that JSON can hold; scripts rely on the keys."""

    def render(self) -> str:
        """Text for a person, without a line feed at the end."""
