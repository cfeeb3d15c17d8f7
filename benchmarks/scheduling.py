"""Measure what scheduling costs: blocks without voxels, and how a run of many goes on.

Usage: python benchmarks/scheduling.py [--blocks 1000000] [--entries 1000000]

A predictor that does nothing stands in for the network. The first table has the time per block and
the memory that grows with their number; the second the start of a run with as many blocks done.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from napari_ziggurat.geometry import BlockGrid, BlockTree, Box
from napari_ziggurat.runs.output.journal import Entry, Fingerprint, Journal
from napari_ziggurat.runs.output.tasks import Task, Tasks
from napari_ziggurat.runs.workers.executor import Report, drive
from napari_ziggurat.runs.workers.schedule import Schedule

BLOCK = 256


class Idle:
    """An executor whose work is nothing."""

    def __init__(self) -> None:
        self._tasks: list[Task] = []

    @property
    def has_room(self) -> bool:
        return len(self._tasks) < 16

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def collect(self) -> list[Report]:
        reports = [Report(task.number, 8, "done") for task in self._tasks]
        self._tasks.clear()
        return reports

    def close(self) -> None:
        pass


def main() -> None:
    options = parse()
    sys.stdout.write("| blocks | s | ms per block | memory, MiB |\n| --- | --- | --- | --- |\n")
    for count in (options.blocks // 100, options.blocks // 10, options.blocks):
        sys.stdout.write(schedule_row(tasks_of(count)) + "\n")
        sys.stdout.flush()
    sys.stdout.write("\n| finished blocks | s to go on | files read |\n| --- | --- | --- |\n")
    sys.stdout.write(resume_row(options.entries) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=1_000_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    return parser.parse_args()


def tasks_of(count: int) -> Tasks:
    """Give the tasks of a cube with about so many blocks, and of its pyramid."""
    side = BLOCK * round(count ** (1 / 3))
    grids = [BlockGrid(Box.whole((side,) * 3), (BLOCK,) * 3)]
    while side > 512:
        side = -(-side // 2)
        grids.append(BlockGrid(Box.whole((side,) * 3), (BLOCK,) * 3))
    return Tasks(BlockTree(tuple(grids), ((2, 2, 2),) * (len(grids) - 1)), 1)


def schedule_row(tasks: Tasks) -> str:
    start = time.perf_counter()
    for _ in drive(Schedule(tasks), Idle()):
        pass
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return f"| {len(tasks)} | {seconds:.1f} | {1000 * seconds / len(tasks):.3f} | {peak:.0f} |"


def resume_row(count: int) -> str:
    tasks = tasks_of(count)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        journal.begin(Fingerprint({}))
        lines = (Entry(number, "0" * 32, 8, 1.0).line() for number in range(len(tasks)))
        (journal.folder / "blocks" / "a.jsonl").write_bytes(b"".join(lines))
        start = time.perf_counter()
        schedule = Schedule(tasks, journal.news())
        assert schedule.next() is None
        seconds = time.perf_counter() - start
    return f"| {len(tasks)} | {seconds:.1f} | 1 |"


if __name__ == "__main__":
    main()
