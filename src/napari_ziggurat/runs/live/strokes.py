"""Strokes: where the labels of a live training are, and which of them are the newest."""

import queue
from collections import deque

from napari_ziggurat.geometry import Box
from napari_ziggurat.images.annotation import check_values
from napari_ziggurat.runs.live.labels import LiveLabels
from napari_ziggurat.training.label_cells import LabelCells
from napari_ziggurat.training.sampling import LabelIndex
from napari_ziggurat.training.volumes import LabelCode

__all__ = ["Strokes"]

_NEWEST = 8  # strokes
_FRESH = 200  # steps for which a stroke is one of the newest: then it has been seen often


class Strokes:
    """Keeps the index of the labels up to date; only the cells that changed are read again."""

    def __init__(self, labels: LiveLabels) -> None:
        self._labels = labels
        self._cells = LabelCells(timed=labels.timed)
        self._touched: queue.SimpleQueue[Box] = queue.SimpleQueue()
        self._newest: deque[tuple[int, Box]] = deque(maxlen=_NEWEST)

    @property
    def count(self) -> int:
        """Number of labelled voxels."""
        return self._cells.count

    def look_through(self) -> None:
        """Look through all cells in which something may be painted, once."""
        for cell in self._labels.cells():
            self._cells.put(cell, self._labels.read(cell))

    def touch(self, box: Box) -> None:
        """Take down that labels changed in a box; any thread may."""
        self._labels.check_box(box)
        self._touched.put(box)

    def take_up(self, step: int) -> list[Box]:
        """Look through what changed since the last call; give the boxes.

        Parameters
        ----------
        step : int
            The training step that comes next.
        """
        boxes = self._labels.changed()
        while not self._touched.empty():
            boxes.append(self._touched.get())
        for cell in dict.fromkeys(cell for box in boxes for cell in self._labels.cells_of(box)):
            self._cells.put(cell, self._labels.read(cell))
        self._newest.extend((step, box) for box in boxes)
        return boxes

    def forget_newest(self) -> None:
        """Take all strokes for equally old: none of them was trained on."""
        self._newest.clear()

    def let_age(self, step: int) -> bool:
        """Let strokes be no longer new that have been for long; tell whether there were any."""
        before = len(self._newest)
        while self._newest and step >= self._newest[0][0] + _FRESH:
            self._newest.popleft()
        return len(self._newest) < before

    def values(self, *, foreground: bool) -> tuple[int, ...]:
        """Give the class value of each channel that these labels need.

        Raises
        ------
        InputError
            There are fewer than two classes; the message says what to paint.
        """
        found = self._cells.values
        return check_values(found, dense=False, foreground=foreground, name="The annotation")

    def index(self, code: LabelCode) -> LabelIndex:
        """Where the labels are."""
        return self._cells.index(code)

    def newest(self, code: LabelCode) -> LabelIndex | None:
        """Where the newest strokes are; None where there are none."""
        boxes = [box for _, box in self._newest]
        return self._cells.index(code, boxes) if boxes else None
