"""Gate map: which cells of an image are computed, decided once from the whole coarse level."""

import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.evaluation.audit import draw
from napari_ziggurat.geometry import BlockGrid, Box, Cell, Lattice, Tiles
from napari_ziggurat.runs.plan.plan import SegmentPlan

__all__ = ["GateMap", "decide_map"]

_REJECTED, _REFINED, _AUDITED = range(3)
_FILE = "gate.npz"

_SIZES = (1, 2, 4)
# Larger tiles keep more around what was seen; they are taken where they cost hardly more.
_HARDLY_MORE = 1.1
# Fewer windows saved than this are not worth what may be missed.
_WORTH = 0.9


@dataclass(frozen=True, eq=False)
class GateMap:
    """What is made of each cell, and how that was decided.

    Attributes
    ----------
    lattice : Lattice
        Cells of the fine level.
    tiles : Tiles
        Groups of cells that were decided together.
    states : (times, (Z), Y, X) uint8 array
        One per cell: rejected, refined, or rejected and computed for the audit.
    windows : int
        Windows that are computed.
    dense : int
        Windows of the whole region.
    costs : mapping of int to int
        Windows that would be computed with tiles of so many cells per axis.
    gated : bool
        Whether anything is left out: otherwise that would have saved hardly anything.
    """

    lattice: Lattice
    tiles: Tiles
    states: NDArray[np.uint8]
    windows: int
    dense: int
    costs: Mapping[int, int]
    gated: bool

    def refines(self, cell: Cell, time: int) -> bool:
        """Tell whether a cell is computed."""
        return bool(self.states[(time, *self._place(cell))] != _REJECTED)

    def audited(self, box: Box, time: int) -> Iterator[tuple[int, Box]]:
        """Give the cells of a box that are computed for the audit: number of the tile, voxels."""
        for cell in self.lattice.cells(box):
            if self.states[(time, *self._place(cell))] == _AUDITED:
                yield self._number(cell, time), cell.box.intersect(box)

    @cached_property
    def drawn(self) -> tuple[int, ...]:
        """Numbers of the tiles that are computed for the audit."""
        per_tile = self._per_tile == _AUDITED
        return tuple(np.flatnonzero(per_tile).tolist())

    @property
    def rejected(self) -> int:
        """Tiles that were rejected, those of the audit among them."""
        return int(np.count_nonzero(self._per_tile != _REFINED))

    @property
    def refined(self) -> int:
        """Tiles that were not rejected."""
        return int(np.count_nonzero(self._per_tile == _REFINED))

    def as_dict(self) -> dict[str, object]:
        """Give the figures as JSON can hold them."""
        return {
            "gated": self.gated,
            "tile": self.tiles.size,
            "refined": self.refined,
            "rejected": self.rejected,
            "audited": len(self.drawn),
            "windows": self.windows,
            "dense windows": self.dense,
            "windows per tile size": {str(size): count for size, count in self.costs.items()},
        }

    def render(self) -> str:
        """Say the decision in words."""
        if not self.gated:
            return (
                f"The gate would leave out hardly anything ({min(self.costs.values())} of "
                f"{self.dense} windows remain), so everything is computed."
            )
        return (
            f"Gate: {self.refined} of {self.refined + self.rejected} tiles of {self.tiles.size} "
            f"cells per axis may hold foreground; {self.windows} of {self.dense} windows are "
            f"computed, {len(self.drawn)} tiles of them to see what is missed."
        )

    def save(self, folder: Path) -> None:
        """Write it into the folder of a journal, in one step."""
        facts = {
            "size": self.tiles.size, "windows": self.windows, "dense": self.dense,
            "costs": list(self.costs.items()), "gated": self.gated, "start": self.tiles.cells.start,
        }  # fmt: skip
        part = folder / f".{_FILE}.part"
        with part.open("wb") as file:
            np.savez_compressed(file, states=self.states, facts=np.array(json.dumps(facts)))
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / _FILE)

    @classmethod
    def load(cls, folder: Path, lattice: Lattice) -> "GateMap | None":
        """Read what `save` wrote; None where nothing was decided yet."""
        try:
            with np.load(folder / _FILE) as file:
                states, facts = file["states"], json.loads(str(file["facts"]))
        except (FileNotFoundError, zipfile.BadZipFile, EOFError, ValueError):
            return None  # nothing, or what a power cut left; it is decided again as before
        start = tuple(facts["start"])
        stop = tuple(a + n for a, n in zip(start, states.shape[1:], strict=True))
        tiles = Tiles(Box(start, stop), facts["size"])
        costs = {int(size): int(count) for size, count in facts["costs"]}
        return cls(lattice, tiles, states, facts["windows"], facts["dense"], costs, facts["gated"])

    @property
    def _per_tile(self) -> NDArray[Any]:
        """State of each tile; its cells share one."""
        return self.tiles.largest(self.states.astype(np.float32)).astype(np.uint8)

    def _place(self, cell: Cell) -> tuple[int, ...]:
        index = self.lattice.index(cell)
        return tuple(i - a for i, a in zip(index, self.tiles.cells.start, strict=True))

    def _number(self, cell: Cell, time: int) -> int:
        return time * math.prod(self.tiles.counts) + self.tiles.number(self.lattice.index(cell))


def decide_map(
    plan: SegmentPlan, largest: NDArray[np.float32], threshold: float, seed: int
) -> GateMap:
    """Decide which cells are computed, and in tiles of which size.

    Parameters
    ----------
    plan : SegmentPlan
        Of the fine level.
    largest : (times, (Z), Y, X) float32 array
        Largest coarse probability of foreground around each cell of the region.
    threshold : float
        What is below it is rejected.
    seed : int
        Of the audit; nothing else is random.

    Returns
    -------
    GateMap
        With the largest tiles that cost hardly more windows than the cheapest; with everything
        computed where even those save hardly anything.
    """
    cells = plan.lattice.indices(plan.region)
    uses = _uses(plan.lattice, plan.grid, cells)
    found = {size: _states(Tiles(cells, size), largest, threshold, seed) for size in _SIZES}
    costs = {size: _windows(states, uses) for size, states in found.items()}
    # Decided by cells: how many blocks share one that a box cuts is no part of the result.
    kept = {size: int((states != _REJECTED).sum()) for size, states in found.items()}
    best = max(size for size in _SIZES if kept[size] <= _HARDLY_MORE * min(kept.values()))
    gated = kept[best] < _WORTH * found[best].size
    states = found[best] if gated else np.full_like(found[best], _REFINED)
    windows = costs[best] if gated else plan.windows
    return GateMap(plan.lattice, Tiles(cells, best), states, windows, plan.windows, costs, gated)


def _states(
    tiles: Tiles, largest: NDArray[np.float32], threshold: float, seed: int
) -> NDArray[np.uint8]:
    """Reject tiles, and draw some of these for the audit."""
    states = np.where(tiles.largest(largest) >= threshold, _REFINED, _REJECTED).astype(np.uint8)
    rejected = np.flatnonzero(states == _REJECTED)
    states.flat[rejected[draw(len(rejected), seed)]] = _AUDITED
    spread: NDArray[np.uint8] = tiles.spread(states)  # type: ignore[assignment]
    return spread


def _uses(lattice: Lattice, grid: BlockGrid, cells: Box) -> list[NDArray[np.int64]]:
    """Count the blocks that need each cell, per axis: a box may cut cells between blocks."""
    uses = [np.zeros(length, np.int64) for length in cells.shape]
    for axis, count in enumerate(grid.counts):
        for i in range(count):
            index = tuple(i if a == axis else 0 for a in range(cells.ndim))
            needed = lattice.indices(grid.block(index).write_box).relative_to(cells.start)
            uses[axis][needed.slices[axis]] += 1
    return uses


def _windows(states: NDArray[np.uint8], uses: Sequence[NDArray[np.int64]]) -> int:
    computed = (states != _REJECTED).astype(np.int64)
    for each in reversed(uses):
        computed = computed @ each
    return int(computed.sum())
