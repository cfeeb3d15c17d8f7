"""Tally: how many windows of a run went through the network, and how many held one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_ziggurat.evaluation.audit import Audit
from napari_ziggurat.runs.output.gate_map import GateMap
from napari_ziggurat.runs.output.journal import Journal

__all__ = ["Tally", "audited"]


@dataclass(frozen=True)
class Tally:
    """Windows of all blocks that are finished.

    Attributes
    ----------
    computed : int
        Windows that went through the network.
    constant : int
        Windows of one value throughout, of which the network saw each value once.
    foreground : int
        Foreground voxels, counted where there is a gate.
    audited : mapping of int to int
        Foreground voxels of tiles that were computed to see what a gate misses.
    """

    computed: int = 0
    constant: int = 0
    foreground: int = 0
    audited: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, journal: Journal, tasks: int) -> "Tally":
        """Add up a journal of so many tasks; one that was done twice counts once."""
        seen, computed, constant, foreground = bytearray(tasks), 0, 0, 0
        audited: dict[int, int] = {}
        for entry in Journal(journal.folder).news():
            if seen[entry.task]:
                continue
            seen[entry.task] = 1
            computed += entry.windows - entry.constant
            constant += entry.constant
            foreground += entry.foreground
            for tile, voxels in entry.audited:
                audited[tile] = audited.get(tile, 0) + voxels
        return cls(computed, constant, foreground, audited)

    @classmethod
    def told(cls, record: Mapping[str, Any] | None) -> "Tally":
        """Read it from the record of an output; nothing was counted where there is none."""
        return cls(**(record or {}).get("windows", {}))

    def as_dict(self) -> dict[str, object]:
        """Give the numbers of windows as JSON can hold them."""
        return {"computed": self.computed, "constant": self.constant}

    def render(self) -> str:
        """Say the numbers in words."""
        words = f"{self.computed} windows computed"
        return f"{words}, {self.constant} held one value" if self.constant else words


def audited(gate: GateMap, tally: Tally) -> Audit:
    """Estimate what a gate missed from what was found where it had rejected."""
    found = [tally.audited.get(tile, 0) for tile in gate.drawn]
    rest = tally.foreground - sum(found)
    return Audit.of(gate.rejected, found, tally.foreground, rest / max(1, gate.refined))
