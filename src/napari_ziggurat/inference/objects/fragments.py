"""Fragments: the parts of objects that lie in one block, and whole-number sums over their voxels.

All sums are whole numbers, so that those of an object are the same however it was cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box

__all__ = ["CONFIDENCE_STEPS", "Fragments", "Ground", "axis_pairs", "measure"]

CONFIDENCE_STEPS = 2**24
"""Probabilities are summed in steps of one over this number: sums of steps are exact."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Ground:
    """What a block stands on.

    Attributes
    ----------
    box : Box
        Its voxels.
    shape : tuple of int
        Shape of the whole image.
    time : int
        Time point.
    """

    box: Box
    shape: tuple[int, ...]
    time: int = 0

    def anchor(self, places: tuple[Numbers, ...]) -> Numbers:
        """Give the places of voxels in the order of a scan of the whole image, time by time."""
        found = np.full_like(places[0], self.time)
        for start, place, length in zip(self.box.start, places, self.shape, strict=True):
            found *= length
            found += place + start
        return found


@dataclass(frozen=True)
class Fragments:
    """Fragments of a block; row i is the fragment i + 1.

    Attributes
    ----------
    classes, voxels, anchors : (N,) int64 array
        Class, number of voxels, and place of the first voxel in a scan of the whole image.
    starts, stops : (N, D) int64 array
        Bounding boxes, in voxels of the whole image.
    first : (N, D) int64 array
        Sums of the coordinates, counted from the start of the block.
    second : (N, D (D + 1) / 2) int64 array
        Sums of their products, see `axis_pairs`.
    intensity : (N, C) array of int64 or float64
        Sums of the grey values of each channel; whole numbers where the image has such.
    confidence : (N,) or (0,) int64 array
        Sums of the probability of the class, in `CONFIDENCE_STEPS`; empty where it is not known.
    """

    classes: Numbers
    voxels: Numbers
    anchors: Numbers
    starts: Numbers
    stops: Numbers
    first: Numbers
    second: Numbers
    intensity: NDArray[Any]
    confidence: Numbers

    def __len__(self) -> int:
        return len(self.voxels)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give the columns by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, eq=False)
class _Runs:
    """Voxels of one fragment in a row, told as one: there are far fewer of them than voxels."""

    fragments: NDArray[np.uint32]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each run begins, background included."""
        changes = np.ones(self.fragments.shape, bool)
        changes[..., 1:] = self.fragments[..., 1:] != self.fragments[..., :-1]
        return np.flatnonzero(changes)

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """Tell which runs are no background."""
        found: NDArray[np.bool_] = self.fragments.reshape(-1)[self.starts] > 0
        return found

    @cached_property
    def lengths(self) -> Numbers:
        """Voxels of each kept run."""
        return np.diff(self.starts, append=self.fragments.size)[self.kept]

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """Row of the fragment of each kept run."""
        return self.fragments.reshape(-1)[self.starts[self.kept]].astype(np.intp) - 1

    @cached_property
    def places(self) -> tuple[Numbers, ...]:
        """Coordinates of the first voxel of each kept run, per axis."""
        found = np.unravel_index(self.starts[self.kept], self.fragments.shape)
        return tuple(each.astype(np.int64) for each in found)

    def sum_of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give sums of the values of voxels over each kept run."""
        kind = np.float64 if values.dtype.kind == "f" else np.int64
        sums: NDArray[Any] = np.add.reduceat(values.reshape(-1), self.starts, dtype=kind)
        return sums[self.kept]


def axis_pairs(dims: int) -> Iterator[tuple[int, int]]:
    """Pairs of axes in the order of `Fragments.second`: 00, 01, 11 for two axes."""
    return combinations_with_replacement(range(dims), 2)


def measure(
    fragments: NDArray[np.uint32],
    classes: NDArray[Any],
    ground: Ground,
    image: NDArray[Any] | None = None,
    certainty: NDArray[np.float32] | None = None,
) -> Fragments:
    """Measure the fragments of a block.

    Parameters
    ----------
    fragments : ((Z), Y, X) uint32 array
        Numbered from 1 without gaps.
    classes : ((Z), Y, X) array of integers
        Class of each voxel.
    ground : Ground
        Where the block lies.
    image : (C, (Z), Y, X) array, optional
        Grey values.
    certainty : ((Z), Y, X) float32 array, optional
        Probability of the class of each voxel.
    """
    runs = _Runs(fragments)
    count = int(runs.rows.max(initial=-1)) + 1
    first_run = _first_runs(runs.rows, count)
    places = [place[first_run] for place in runs.places]
    starts, stops = _boxes(runs, count, ground)
    return Fragments(
        classes=classes[tuple(places)].astype(np.int64),
        voxels=_total(runs.rows, runs.lengths, count),
        anchors=ground.anchor(tuple(places)),
        starts=starts,
        stops=stops,
        first=_first(runs, count),
        second=_second(runs, count),
        intensity=_intensity(runs, image, count),
        confidence=_confidence(runs, certainty, count),
    )


def _first_runs(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Give the first run of each fragment: of several that are written, the last one stays."""
    found = np.zeros(count, np.intp)
    found[rows[::-1]] = np.arange(len(rows))[::-1]
    return found


def _total(rows: NDArray[np.intp], values: NDArray[Any], count: int) -> Numbers:
    # Sums in a block stay below 2^53, where float64 is exact.
    return np.bincount(rows, values, count).astype(np.int64)


def _boxes(runs: _Runs, count: int, ground: Ground) -> tuple[Numbers, Numbers]:
    dims = len(runs.places)
    starts = np.full((count, dims), np.iinfo(np.int64).max)
    stops = np.zeros((count, dims), np.int64)
    for axis, place in enumerate(runs.places):
        end = place + (runs.lengths if axis == dims - 1 else 1)
        low, high = np.ascontiguousarray(starts[:, axis]), np.ascontiguousarray(stops[:, axis])
        np.minimum.at(low, runs.rows, place)
        np.maximum.at(high, runs.rows, end)
        starts[:, axis] = low + ground.box.start[axis]
        stops[:, axis] = high + ground.box.start[axis]
    return starts, stops


def _first(runs: _Runs, count: int) -> Numbers:
    sums = [_total(runs.rows, each, count) for each in _along(runs)]
    return np.stack(sums, axis=1)


def _along(runs: _Runs) -> list[Numbers]:
    """Add up the coordinates over each run, per axis."""
    *slow, x = runs.places
    n = runs.lengths
    return [*(place * n for place in slow), x * n + n * (n - 1) // 2]


def _second(runs: _Runs, count: int) -> Numbers:
    *slow, x = runs.places
    n, last = runs.lengths, len(slow)
    sums = _along(runs)
    squares = n * x * x + x * n * (n - 1) + n * (n - 1) * (2 * n - 1) // 6
    columns = [squares if a == last else sums[b] * runs.places[a] for a, b in axis_pairs(len(sums))]
    return np.stack([_total(runs.rows, each, count) for each in columns], axis=1)


def _intensity(runs: _Runs, image: NDArray[Any] | None, count: int) -> NDArray[Any]:
    if image is None:
        return np.zeros((count, 0), np.int64)
    sums = [np.bincount(runs.rows, runs.sum_of(channel), count) for channel in image]
    stacked = np.stack(sums, axis=1)
    return stacked if image.dtype.kind == "f" else stacked.astype(np.int64)


def _confidence(runs: _Runs, certainty: NDArray[np.float32] | None, count: int) -> Numbers:
    if certainty is None:
        return np.zeros(0, np.int64)
    steps = np.rint(certainty.astype(np.float64) * CONFIDENCE_STEPS).astype(np.int64)
    return _total(runs.rows, runs.sum_of(steps), count)
