"""Compare: one prediction with its truth, block by block."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_ziggurat.evaluation.comparison import Comparison
from napari_ziggurat.evaluation.gathering import Gathering, grown
from napari_ziggurat.evaluation.metrics import Confusion
from napari_ziggurat.geometry import Box
from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.evaluate.opened import Labels, Opened

__all__ = ["BETWEEN", "FileScore", "compare"]

BETWEEN = 0
"""Value that stands for the pieces between the labels."""


@dataclass(frozen=True)
class FileScore:
    """Score of one prediction.

    Attributes
    ----------
    name : str
        Of the file.
    confusion : Confusion
        Voxels by true and predicted class.
    comparisons : tuple of Comparison
        Of each class and time point, and of the pieces between the labels.
    times : tuple of int
        Time point of each comparison.
    """

    name: str
    confusion: Confusion
    comparisons: tuple[Comparison, ...] = ()
    times: tuple[int, ...] = ()


def compare(
    name: str, opened: Opened, tolerance: float | None, *, alone: bool
) -> Generator[Progress, None, FileScore]:
    """Count all boxes; a file that is alone reports its boxes as progress.

    Parameters
    ----------
    name : str
        Of the file.
    opened : Opened
        The prediction and its truth.
    tolerance : float or None
        Distance up to which surfaces agree; None for the largest side of a voxel.
    alone : bool
        It is the only file.
    """
    boxes = opened.boxes()
    times = opened.prediction.times
    reach = max(opened.spacing.values) if tolerance is None else tolerance
    confusion, comparisons, moments = Confusion.empty(), [], []
    for time in range(times):
        scene = _Scene(opened, reach, time)
        for done, box in enumerate(boxes, time * len(boxes)):
            if alone and done:
                yield Progress("evaluate", done, times * len(boxes))
            confusion += scene.add(box)
        found = scene.finish()
        comparisons += found
        moments += [time] * len(found)
    return FileScore(name, confusion, tuple(comparisons), tuple(moments))


class _Scene:
    """One time point of a prediction and its truth."""

    def __init__(self, opened: Opened, tolerance: float, time: int) -> None:
        self._opened, self._tolerance, self._time = opened, tolerance, time
        self._gatherings: dict[int, Gathering] = {}

    def add(self, box: Box) -> Confusion:
        """Take a box."""
        opened, outer = self._opened, grown(box, self._opened.shape)
        core = box.relative_to(outer.start).slices
        raw = (opened.read_truth(outer, self._time), opened.read_prediction(outer, self._time))
        names = (opened.truth.name, opened.prediction.name)
        classes = [opened.classes(v, name) for v, name in zip(raw, names, strict=True)]
        keep = opened.read_mask(box, self._time)
        present = sorted(set().union(*(np.unique(each[core]).tolist() for each in classes)))
        for value in self._values(present):
            self._gathering(value).add(
                box, (classes[0] == value, classes[1] == value), self._ids(raw, core), keep
            )
        return Confusion.count(classes[0][core], classes[1][core], keep)

    def finish(self) -> list[Comparison]:
        """Give the comparison of each class."""
        return [self._gatherings[value].finish() for value in sorted(self._gatherings)]

    def _values(self, present: Sequence[int]) -> list[int]:
        between = self._opened.kinds.truth == "between"
        return [value for value in present if value != BETWEEN or between]

    def _ids(
        self, raw: tuple[Labels, Labels], core: tuple[slice, ...]
    ) -> tuple[Labels | None, Labels | None]:
        """Ids of the sides whose objects are ids."""
        kinds = self._opened.kinds
        truth = raw[0][core] if kinds.truth == "ids" else None
        return truth, raw[1][core] if kinds.prediction == "ids" else None

    def _gathering(self, value: int) -> Gathering:
        kinds = self._opened.kinds
        classes_only = kinds.truth == "between" and value != BETWEEN
        self._gatherings.setdefault(
            value,
            Gathering(
                value,
                self._opened.shape,
                self._opened.spacing.values,
                self._tolerance,
                (None, None) if classes_only else (kinds.truth, kinds.prediction),
            ),
        )
        return self._gatherings[value]
