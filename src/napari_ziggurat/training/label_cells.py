"""Label cells: where labels are, kept box by box, so that a change costs what it touches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.training.sampling import LabelIndex
from napari_ziggurat.training.volumes import LabelCode

__all__ = ["LabelCells"]

_MOST = 20_000  # positions of each class in an index
# Kept of each label value in a cell. Fewer than in an index: a cell that holds more than a fifth of
# all labels of a class is then drawn from a little less than it should be.
_MOST_IN_CELL = 4_096

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class _Found:
    """Positions of one label value in a cell, with the number that each drew, and their count."""

    rows: Rows
    drawn: NDArray[np.float64]
    count: int


class LabelCells:
    """Positions of labels in the cells of a grid, each of which can be looked through again.

    Every position draws a number that depends on its place alone; an index holds those with the
    smallest numbers (Efraimidis and Spirakis 2006, doi:10.1016/j.ipl.2005.11.003). It thus depends
    on the labels, not on the order in which they were painted.

    Parameters
    ----------
    timed : bool
        The first axis of the cells is time, whose points are volumes of their own.
    """

    def __init__(self, *, timed: bool) -> None:
        self._timed = timed
        self._cells: dict[Box, dict[int, _Found]] = {}

    @property
    def values(self) -> set[int]:
        """Label values that occur."""
        return {value for cell in self._cells.values() for value in cell}

    @property
    def count(self) -> int:
        """Number of labelled voxels."""
        return sum(each.count for cell in self._cells.values() for each in cell.values())

    def put(self, box: Box, labels: NDArray[np.uint8]) -> None:
        """Take down the labels of a cell as they are now; 0 is unlabelled."""
        rng = np.random.default_rng(box.start)
        counts = np.bincount(labels.ravel(), minlength=256)
        found = {
            value: _find(labels == value, box, rng)
            for value in np.flatnonzero(counts).tolist()
            if value
        }
        if found:
            self._cells[box] = found
        else:
            self._cells.pop(box, None)

    def index(self, code: LabelCode, within: Sequence[Box] = ()) -> LabelIndex:
        """Join the cells to what a sampler draws from.

        Parameters
        ----------
        code : LabelCode
            Label values that it does not know are left out.
        within : sequence of Box
            Only labels that lie in one of these; all of them where it is empty.
        """
        pools: dict[int, list[_Found]] = {}
        for box in sorted(self._cells, key=lambda each: each.start):
            meets = [b for b in within if b.intersect(box).size]
            if meets or not within:
                for value, found in self._cells[box].items():
                    if target := _target(code, value):
                        pools.setdefault(target, []).append(_inside(found, meets))
        kept = {target: _join(pools[target]) for target in sorted(pools)}
        counts = {t: sum(each.count for each in pools[t]) for t, rows in kept.items() if len(rows)}
        total = sum(counts.values())
        return LabelIndex(
            {t: self._numbered(kept[t]) for t in counts}, {t: n / total for t, n in counts.items()}
        )

    def _numbered(self, rows: Rows) -> Rows:
        """Give positions the number of their volume in front: the time point, if there are any."""
        return rows if self._timed else np.insert(rows, 0, 0, axis=1)


def _find(mask: NDArray[np.bool_], box: Box, rng: np.random.Generator) -> _Found:
    places = np.flatnonzero(mask)
    drawn = rng.random(len(places))
    low = _smallest(drawn, _MOST_IN_CELL)
    rows = np.stack(np.unravel_index(places[low], mask.shape), axis=1) + box.start
    return _Found(rows.astype(np.int64), drawn[low], len(places))


def _inside(found: _Found, boxes: Iterable[Box]) -> _Found:
    """Leave out positions that are in none of the boxes; their count becomes that of the kept."""
    boxes = list(boxes)
    if not boxes:
        return found
    inside = np.zeros(len(found.rows), bool)
    for box in boxes:
        inside |= ((found.rows >= box.start) & (found.rows < box.stop)).all(axis=1)
    return _Found(found.rows[inside], found.drawn[inside], int(inside.sum()))


def _join(pool: Sequence[_Found]) -> Rows:
    rows = np.concatenate([each.rows for each in pool])
    kept: Rows = rows[_smallest(np.concatenate([each.drawn for each in pool]), _MOST)]
    return kept


def _smallest(drawn: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Places of the smallest numbers, in order of the places."""
    if len(drawn) <= most:
        return np.arange(len(drawn))
    return np.sort(np.argpartition(drawn, most)[:most])


def _target(code: LabelCode, value: int) -> int:
    """Target of a label value; 0 for one that the code does not know."""
    if not (code.foreground or value == 255 or value in code.values):
        return 0
    return int(code.encode(np.array([value], np.uint8))[0])
