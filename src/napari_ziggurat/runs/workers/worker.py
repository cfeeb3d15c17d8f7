"""Worker: reads, computes, writes and journals blocks in this process, all at the same time.

One thread reads the voxels of the block that comes next, the predictor's threads compute windows,
one thread writes what is finished. Windows of the next block follow those of the last without a
pause.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Cell
from napari_ziggurat.inference.background import Background
from napari_ziggurat.inference.block import CellPredictor, Piece, WindowReader
from napari_ziggurat.inference.fusing import Fuser
from napari_ziggurat.networks import Intensity
from napari_ziggurat.runs.output.block_result import BlockResult
from napari_ziggurat.runs.output.coarse_probabilities import CoarseCrop, coarse_probabilities
from napari_ziggurat.runs.output.journal import Entry, Log
from napari_ziggurat.runs.output.output import Output
from napari_ziggurat.runs.output.tasks import Task
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.workers.executor import Report
from napari_ziggurat.runs.workers.failure import concerns_all, explain

__all__ = ["Worker"]

_WRITES_WAITING = 2

_Read = Callable[[Box], NDArray[Any]]


@dataclass(eq=False)
class _Block:
    """A block that is being computed."""

    task: Task
    result: BlockResult
    cells: Iterator[Cell]
    reader: WindowReader
    fuser: Fuser | None
    waiting: int  # cells that are not submitted yet
    flying: int = 0
    done: int = 0
    constant: int = 0
    error: Exception | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        return self.waiting == 0 and self.flying == 0

    def fail(self, error: Exception) -> None:
        self.error = self.error or error
        self.waiting = 0


@dataclass(frozen=True, eq=False)
class _Write:
    """A block that is being written, and the windows of it that were reported and were not."""

    task: Task
    reported: int
    unreported: int
    future: "Future[None]"


class Worker:
    """Computes tasks of one run, a few ahead; an `Executor`.

    Parameters
    ----------
    output : Output
        Where to, and the plan of what.
    session : Session
        The model; whoever opened it closes it.
    intensities : mapping
        Normalisation of time points, as far as it is known.
    """

    def __init__(
        self, output: Output, session: Session, intensities: Mapping[int, Intensity] | None = None
    ) -> None:
        self._plan, self._session = output.plan, session
        self._gate = output.gate
        self._cells: CellPredictor = session.cells(output.plan)
        self._background = Background(self._cells)
        self._surroundings = session.surroundings(output.plan)
        self._writer = output.writer
        self._log: Log = output.journal.log()
        self._coarse = coarse_probabilities(output.plan, output.out)
        self._intensities = dict(intensities or {})
        self._reading = ThreadPoolExecutor(1, "ziggurat-read")
        self._writing = ThreadPoolExecutor(1, "ziggurat-write")
        self._blocks: deque[_Block] = deque()  # those with cells that are not submitted
        self._flying: deque[tuple[_Block, Future[Piece]]] = deque()
        self._writes: deque[_Write] = deque()
        self._open = 0  # blocks that are read or computed

    @property
    def has_room(self) -> bool:
        """Tell whether the next block should be read."""
        cells = sum(block.waiting for block in self._blocks)
        return (
            cells < self._session.predictor.waiting
            and self._open < self._plan.blocks_open
            and len(self._writes) < _WRITES_WAITING
        )

    def submit(self, task: Task) -> None:
        """Begin to read a block, or to make one of finer ones."""
        if task.node.level:
            self._write(task, partial(self._coarsen, task))
            return
        plan, box = self._plan, task.node.block.write_box
        cells = [cell for cell in self._cells.lattice.cells(box) if self._refines(cell, task)]
        if not cells:
            self._write(task, partial(self._leave_empty, task, 0))
            return
        value = plan.image.constant(plan.level, plan.lattice.read_box(box), task.time)
        if value is None:
            self._begin(task, cells, self._read(task))
        else:
            self._submit_constant(task, cells, value)

    def collect(self) -> list[Report]:
        """Wait for a window or a file; give what is new."""
        self._fill()
        first = [self._flying[0][1]] if self._flying else []
        futures: list[Future[Any]] = [*first, *(write.future for write in self._writes)]
        if not futures:
            return []
        wait(futures, return_when=FIRST_COMPLETED)
        reports = []
        while self._flying and self._flying[0][1].done():
            reports.append(self._take(*self._flying.popleft()))
        while self._writes and self._writes[0].future.done():
            reports.append(self._written(self._writes.popleft()))
        return reports

    def close(self) -> None:
        """Finish what is being written, drop the rest."""
        for _, future in self._flying:
            future.cancel()
        self._reading.shutdown(cancel_futures=True)
        self._writing.shutdown()
        self._log.__exit__()
        self._writer.close()

    def _refines(self, cell: Cell, task: Task) -> bool:
        return self._gate is None or self._gate.refines(cell, task.time)

    def _begin(self, task: Task, cells: list[Cell], read: _Read) -> None:
        result = BlockResult.empty(self._plan, task.node.block.write_box)
        reader = self._reader(read, task.time)
        fuser = self._fuser(task)
        self._open += 1
        self._blocks.append(_Block(task, result, iter(cells), reader, fuser, len(cells)))

    def _submit_constant(self, task: Task, cells: list[Cell], value: NDArray[Any]) -> None:
        """Begin a block of which nothing is stored; it is finished where it is background."""
        one = value.reshape(-1, *[1] * len(self._plan.lattice.shape))

        def read(box: Box) -> NDArray[Any]:
            return np.broadcast_to(one, (len(one), *box.shape))

        # Where more than the labels of this level is wanted, each voxel has to be made; and what
        # lies around such a block may be anything.
        more = self._plan.probabilities or self._plan.weights or self._surroundings
        seen = self._intensity(task.time).apply(one).tobytes()
        reader = self._reader(read, task.time)
        if more or not self._background.covers(cells, seen, reader):
            self._begin(task, cells, read)
        else:
            windows = len(cells)
            self._write(task, partial(self._leave_empty, task, windows), unreported=windows)

    def _reader(self, read: _Read, time: int) -> WindowReader:
        return self._session.reader(read, self._intensity(time), self._surroundings, time)

    def _read(self, task: Task) -> _Read:
        """Read the voxels of a block once, in another thread; its windows are cut from them."""
        box = self._plan.lattice.read_box(task.node.block.write_box)
        voxels: Future[NDArray[Any]] = self._reading.submit(self._voxels, box, task.time)

        def read(window: Box) -> NDArray[Any]:
            return voxels.result()[(slice(None), *window.relative_to(box.start).slices)]

        return read

    def _voxels(self, box: Box, moment: int) -> NDArray[Any]:
        image, level = self._plan.image, self._plan.level
        voxels = image.read(level, box, moment)
        image.check_present(level)  # chunks of a store that is gone would be read as gaps
        return voxels

    def _fuser(self, task: Task) -> Fuser | None:
        """Read what coarser levels say of a block once, in another thread; for all its cells."""
        plan, box = self._plan, task.node.block.write_box
        if not plan.weights:
            return None
        crops = [self._reading.submit(each.load, box, task.time) for each in self._coarse]
        values = tuple(each.value for each in plan.spec.classes)
        return Fuser(box, [partial(_read_crop, crop) for crop in crops], plan.weights, values)

    def _intensity(self, moment: int) -> Intensity:
        if moment not in self._intensities:
            plan = self._plan
            self._intensities[moment] = self._session.intensity(plan.image, plan.level, moment)
        return self._intensities[moment]

    def _fill(self) -> None:
        """Submit cells until the predictor is busy."""
        while self._blocks and len(self._flying) < self._session.predictor.waiting:
            block = self._blocks[0]
            if block.waiting == 0:
                self._blocks.popleft()
                continue
            block.waiting -= 1
            block.flying += 1
            future = self._cells.submit(next(block.cells), block.reader, block.fuser)
            self._flying.append((block, future))

    def _take(self, block: _Block, future: "Future[Piece]") -> Report:
        """Put a piece where it belongs; pieces come in the order of their cells."""
        block.flying -= 1
        try:
            piece = future.result()
            block.constant += piece.constant
            if block.error is None:
                block.result.put(piece)
        except Exception as error:
            block.fail(error)
        block.done += 1
        if not block.is_over:
            return Report(block.task.number, 1)
        self._open -= 1
        if block.error is not None:
            return self._failed(block.task, block.error, block.done - 1)
        self._write(block.task, partial(self._finish, block), reported=block.done)
        return Report(block.task.number, 1)

    def _finish(self, block: _Block) -> Entry:
        task, result = block.task, block.result
        result.finish()
        digest = self._writer.write(task, result)
        seconds = time.monotonic() - block.started
        entry = Entry(task.number, digest, block.done, seconds, constant=block.constant)
        if self._gate is None:
            return entry
        found = [
            (tile, result.foreground(box))
            for tile, box in self._gate.audited(result.box, task.time)
        ]
        return replace(entry, foreground=result.foreground(result.box), audited=found)

    def _leave_empty(self, task: Task, windows: int) -> Entry:
        began = time.monotonic()
        digest = self._writer.leave_empty(task)
        return Entry(task.number, digest, windows, time.monotonic() - began, constant=windows)

    def _coarsen(self, task: Task) -> Entry:
        began = time.monotonic()
        return Entry(task.number, self._writer.coarsen(task), 0, time.monotonic() - began)

    def _write(
        self, task: Task, work: "partial[Entry]", *, reported: int = 0, unreported: int = 0
    ) -> None:
        """Write a block in another thread, and note it when its files are on the disk."""
        batch = self._session.predictor.batch
        future = self._writing.submit(lambda: self._log.add(replace(work(), batch=batch)))
        self._writes.append(_Write(task, reported, unreported, future))

    def _written(self, write: _Write) -> Report:
        error = write.future.exception()
        if error is None:
            return Report(write.task.number, write.unreported, "done")
        if not isinstance(error, Exception):
            raise error
        return self._failed(write.task, error, write.reported)

    def _failed(self, task: Task, error: Exception, windows: int) -> Report:
        """Report a block that failed; raise what would hit every other one as well."""
        if concerns_all(error):
            raise error
        return Report(task.number, -windows, "failed", explain(error))


def _read_crop(crop: "Future[CoarseCrop]", box: Box) -> NDArray[Any]:
    return crop.result().read(box)
