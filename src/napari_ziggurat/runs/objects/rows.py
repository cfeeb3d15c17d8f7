"""Rows: what is told of each object, in the order of their numbers, some at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.inference.objects import Parts, Sums, add_up, elongation, mean_place
from napari_ziggurat.inference.objects.fragments import CONFIDENCE_STEPS
from napari_ziggurat.runs.objects.files import Files
from napari_ziggurat.runs.objects.plan import ObjectsPlan

__all__ = ["Columns", "rows"]

Columns = Mapping[str, NDArray[Any]]

_AT_ONCE = 2**19  # objects; each block is read once for each so many that lie about it


@dataclass(frozen=True)
class _Rows:
    """Makes rows of what is known of fragments."""

    plan: ObjectsPlan
    files: Files

    def parts(self, first: int, last: int) -> Iterator[Parts]:
        """Fragments of the objects first to last, block by block."""
        ids, offsets = self.files.numbers("ids"), self.files.numbers("offsets")
        spans = self.files.numbers("spans")
        there = (spans[:, 0] <= last) & (spans[:, 1] >= first)
        for number in np.flatnonzero(there).tolist():
            mine = ids[int(offsets[number]) : int(offsets[number + 1])].astype(np.int64)
            chosen = np.flatnonzero((mine >= first) & (mine <= last))
            origin = self.plan.ground(number).box.start
            yield Parts(self.files.load(number), origin, chosen, mine[chosen] - first)

    def columns(self, first: int, last: int) -> Columns:
        """Columns of the objects first to last."""
        count = last - first + 1
        sums = add_up(partial(self.parts, first, last), count, self.plan.layout)
        found: dict[str, NDArray[Any]] = {"index": np.arange(first, last + 1), **self._what(sums)}
        if self.plan.labels.axes.has("t"):
            found["time"] = sums.anchors // self.plan.grid.region.size
        return {**found, **self._where(sums), **self._measured(sums)}

    def _what(self, sums: Sums) -> dict[str, NDArray[Any]]:
        values, places = np.unique(sums.classes, return_inverse=True)
        known = self.plan.voxels.names(values.tolist())
        names = np.array([known.get(v, f"class {v}") for v in values.tolist()], object)
        return {"class": sums.classes, "class_name": names[places]}

    def _where(self, sums: Sums) -> dict[str, NDArray[Any]]:
        level, axes = self.plan.labels.levels[0], self.plan.labels.axes.spatial
        scale, origin = np.array(level.spacing.values), np.array(level.translation)
        centre = origin + mean_place(sums) * scale
        # The box reaches from the outer edge of its first voxels to that of its last ones.
        start = origin + (sums.starts - 0.5) * scale
        stop = origin + (sums.stops - 0.5) * scale
        found = {letter: centre[:, i] for i, letter in enumerate(axes)}
        for i, letter in enumerate(axes):
            found |= {f"{letter}_start": start[:, i], f"{letter}_stop": stop[:, i]}
        return found

    def _measured(self, sums: Sums) -> dict[str, NDArray[Any]]:
        spacing = self.plan.labels.levels[0].spacing.values
        found = {
            "voxels": sums.voxels,
            "volume" if len(spacing) == 3 else "area": sums.voxels * np.prod(spacing),
            "elongation": elongation(sums, spacing),
            "at_border": self._at_border(sums),
        }
        if len(sums.confidence):
            found["confidence"] = sums.confidence / CONFIDENCE_STEPS / sums.voxels
        channels = self.plan.image.channels if self.plan.image is not None else ()
        for i, name in enumerate(channels):
            found[f"mean_{name}"] = sums.intensity[:, i] / sums.voxels
        return found

    def _at_border(self, sums: Sums) -> NDArray[np.bool_]:
        """Tell which objects reach the end of the image; an axis of one voxel has none."""
        shape = self.plan.grid.region.shape
        axes = [a for a, n in enumerate(shape) if n > 1]
        low = (sums.starts[:, axes] == 0).any(axis=1)
        found: NDArray[np.bool_] = low | (sums.stops[:, axes] == np.array(shape)[axes]).any(axis=1)
        return found


def rows(plan: ObjectsPlan, files: Files, objects: int) -> Iterator[Columns]:
    """Give the columns of all objects, some at a time; empty columns where there is none.

    The numbers do not depend on blocks: they come from sums of whole numbers. Grey values that are
    no whole numbers are summed as float64, whose last digits may differ.
    """
    maker = _Rows(plan, files)
    yield from (
        maker.columns(first, min(first + _AT_ONCE - 1, objects))
        for first in range(1, max(objects, 0) + 1, _AT_ONCE)
    )
    if not objects:
        yield maker.columns(1, 0)
