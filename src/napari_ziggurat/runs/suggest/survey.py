"""Survey: a level of an image is looked at, block by block, for spots that are uncertain."""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import BlockGrid, Box, Lattice
from napari_ziggurat.images import Image
from napari_ziggurat.images.finite import check_finite
from napari_ziggurat.inference.spots import Looked, SpotFinder
from napari_ziggurat.networks import Intensity
from napari_ziggurat.runs.plan.plan import SegmentPlan
from napari_ziggurat.runs.session import Session

__all__ = ["Job", "Survey"]

Job = tuple[int, Box]
"""Time point, and cells that are read together: a box of their indices."""

_READ_AHEAD = 1
_LOOKS = 4096  # blocks that are asked whether something is stored, to know how much there is

_Submit = Callable[[], "Future[Looked]"]


@dataclass(frozen=True, eq=False)
class Survey:
    """How a level is looked at.

    Attributes
    ----------
    session : Session
        Of an `UncertainNetwork`, with the options of this level.
    plan : SegmentPlan
        Level, region, cells and windows.
    finder : SpotFinder
        Makes spots of its cells.
    times : sequence of int
        Time points.
    """

    session: Session
    plan: SegmentPlan
    finder: SpotFinder
    times: Sequence[int]

    @property
    def image(self) -> Image:
        """What is looked at."""
        return self.plan.image

    @property
    def lattice(self) -> Lattice:
        """Cells and windows."""
        return self.plan.lattice

    @cached_property
    def blocks(self) -> BlockGrid:
        """Cells that are read together, as boxes of indices; as many as a good block holds."""
        together = (
            max(1, s // c) for s, c in zip(self.plan.shard, self.lattice.cell_shape, strict=True)
        )
        return BlockGrid(self.lattice.indices(self.plan.region), tuple(together))

    @property
    def windows(self) -> int:
        """Windows of the whole region and all times."""
        return self.blocks.region.size * len(self.times)

    @property
    def window_seconds(self) -> float:
        """Time that a window takes; 0 where there are so few that it was not measured."""
        return (self.plan.cost.seconds or 0.0) / max(1, self.plan.windows)

    def stored_share(self, seed: int) -> float:
        """Tell of which share of the blocks something is stored; of many, from a sample."""
        total = len(self.blocks) * len(self.times)
        numbers = draw(total, _LOOKS, seed)
        stored = sum(self._is_stored(*self._job(number)) for number in numbers)
        return stored / len(numbers)

    def jobs(self, share: float, seed: int) -> tuple[Iterator[Job], int]:
        """Give blocks, all or a random share of them, and how many windows they have."""
        total = len(self.blocks) * len(self.times)
        numbers = draw(total, max(1, int(total * share)), seed)
        jobs = map(self._job, numbers)
        if len(numbers) == total:
            return jobs, self.windows
        return jobs, sum(self._job(number)[1].size for number in numbers)

    def look(self, jobs: Iterable[Job]) -> Generator[Looked, None, None]:
        """Look at blocks; what was found in each window, or in a block of which nothing is stored.

        Closing the generator ends it.
        """
        with ThreadPoolExecutor(1, "ziggurat-read") as reading:
            work = self._submissions(jobs, reading)
            with closing(self.session.predictor.ahead(work)) as found:  # type: ignore[type-var]
                yield from found

    def cell_at(self, point: Sequence[float]) -> tuple[int, ...]:
        """Give the index of the cell in which a point lies, in voxels of the level."""
        cells = self.blocks.region
        wished = (int(p // s) for p, s in zip(point, self.lattice.cell_shape, strict=True))
        limits = zip(wished, cells.start, cells.stop, strict=True)
        return tuple(min(max(i, a), b - 1) for i, a, b in limits)

    def box_at(self, point: Sequence[float]) -> Box:
        """Give the box of the spot in which a point lies, in voxels of the level."""
        boxes = self.finder.boxes(self.lattice.cell(self.cell_at(point)))
        return min(boxes, key=lambda box: _distance(box, point))

    def _job(self, number: int) -> Job:
        moment, block = divmod(number, len(self.blocks))
        index = np.unravel_index(block, self.blocks.counts)
        return self.times[moment], self.blocks.block(tuple(map(int, index))).write_box

    def _submissions(self, jobs: Iterable[Job], reading: ThreadPoolExecutor) -> Iterator[_Submit]:
        """Give what begins each window; the block after the one that is computed is being read."""
        waiting: deque[Iterator[_Submit]] = deque()
        for job in jobs:
            waiting.append(self._block(job, reading))
            if len(waiting) > _READ_AHEAD:
                yield from waiting.popleft()
        for block in waiting:
            yield from block

    def _block(self, job: Job, reading: ThreadPoolExecutor) -> Iterator[_Submit]:
        """Begin to read a block, unless nothing of it is stored, and give its windows."""
        time, cells = job
        if not self._is_stored(time, cells):
            return iter([partial(_nothing, cells.size)])
        box = self._read_box(cells)
        voxels = reading.submit(self._voxels, box, time)

        def read(window: Box) -> NDArray[Any]:
            return voxels.result()[(slice(None), *window.relative_to(box.start).slices)]

        reader = self.session.reader(read, self._intensity(time))
        found = self.lattice.cells(self._box(cells))
        return (partial(self.finder.submit, cell, reader, time) for cell in found)

    def _voxels(self, box: Box, time: int) -> NDArray[Any]:
        voxels = self.image.read(self.plan.level, box, time)
        self.image.check_present(self.plan.level)  # chunks of a store that is gone look like gaps
        check_finite(self.image, voxels)
        return voxels

    def _is_stored(self, time: int, cells: Box) -> bool:
        return self.image.constant(self.plan.level, self._read_box(cells), time) is None

    def _read_box(self, cells: Box) -> Box:
        return self.lattice.read_box(self._box(cells))

    def _box(self, cells: Box) -> Box:
        """Voxels of a box of cells."""
        last = tuple(n - 1 for n in cells.stop)
        return Box(self.lattice.cell(cells.start).box.start, self.lattice.cell(last).box.stop)

    def _intensity(self, time: int) -> Intensity:
        if time not in self._intensities:
            level = self.plan.level
            self._intensities[time] = self.session.intensity(self.image, level, time)
        return self._intensities[time]

    @cached_property
    def _intensities(self) -> dict[int, Intensity]:
        return {}


def draw(total: int, most: int, seed: int) -> Sequence[int]:
    """Give the numbers below a total, or a random sample of them, in order."""
    if total <= most:
        return range(total)
    drawn = np.random.default_rng(seed).choice(total, most, replace=False)
    numbers: list[int] = np.sort(drawn).tolist()
    return numbers


def _nothing(windows: int) -> "Future[Looked]":
    """Give the outcome of windows of which nothing is stored."""
    future: Future[Looked] = Future()
    future.set_result(Looked(windows))
    return future


def _distance(box: Box, point: Sequence[float]) -> float:
    """Distance of a point to a box; 0 within."""
    outside = (max(a - p, 0.0, p - b) for a, b, p in zip(box.start, box.stop, point, strict=True))
    return math.hypot(*outside)
