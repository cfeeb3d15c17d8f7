"""Tally: how many windows of a run went through the network, and how many held one value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from napari_ziggurat.runs.journal import Entry, Journal

__all__ = ["Tally"]


@dataclass(frozen=True)
class Tally:
    """Windows of all blocks that are finished.

    Attributes
    ----------
    computed : int
        Windows that went through the network.
    constant : int
        Windows of one value throughout, of which the network saw each value once.
    """

    computed: int = 0
    constant: int = 0

    @classmethod
    def of(cls, journal: Journal, tasks: int) -> "Tally":
        """Add up a journal of so many tasks; one that was done twice counts once."""
        seen, tally = bytearray(tasks), cls()
        for entry in Journal(journal.folder).news():
            if not seen[entry.task]:
                seen[entry.task] = 1
                tally = tally._with(entry)
        return tally

    @classmethod
    def told(cls, record: Mapping[str, Any] | None) -> "Tally":
        """Read it from the record of an output; nothing was counted where there is none."""
        return cls(**(record or {}).get("windows", {}))

    def as_dict(self) -> dict[str, object]:
        """Give the numbers as JSON can hold them."""
        return asdict(self)

    def render(self) -> str:
        """Say the numbers in words."""
        words = f"{self.computed} windows computed"
        return f"{words}, {self.constant} held one value" if self.constant else words

    def _with(self, entry: Entry) -> "Tally":
        computed = entry.windows - entry.constant
        return Tally(self.computed + computed, self.constant + entry.constant)
