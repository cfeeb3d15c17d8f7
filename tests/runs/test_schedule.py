"""Tasks come when what they need is finished, each once, also again after a failure."""

import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.geometry import BlockGrid, BlockTree, Box
from napari_ziggurat.runs.output.journal import Entry, Fingerprint, Journal
from napari_ziggurat.runs.output.tasks import Task, Tasks
from napari_ziggurat.runs.workers.executor import Report, drive
from napari_ziggurat.runs.workers.lease import Leases
from napari_ziggurat.runs.workers.schedule import Schedule
from napari_ziggurat.runs.workers.shared_schedule import SharedSchedule


def _tasks(side: int, times: int = 1, block: int = 4) -> Tasks:
    grids = [BlockGrid(Box.whole((side, side)), (block, block))]
    while side > block:
        side = -(-side // 2)
        grids.append(BlockGrid(Box.whole((side, side)), (min(block, side),) * 2))
    return Tasks(BlockTree(tuple(grids), ((2, 2),) * (len(grids) - 1)), times)


class _Fake:
    """Finishes tasks in any order, some at a time; checks that their needs were finished."""

    def __init__(self, tasks: Tasks, seed: int, *, ahead: int = 5, fails: float = 0.0) -> None:
        self._tasks, self._chance = tasks, random.Random(seed)
        self._ahead, self._fails = ahead, fails
        self._now: list[Task] = []
        self.done: list[int] = []

    @property
    def has_room(self) -> bool:
        return len(self._now) < self._ahead

    def submit(self, task: Task) -> None:
        finished = set(self.done)
        assert all(each.number in finished for each in self._tasks.needs(task))
        self._now.append(task)

    def collect(self) -> list[Report]:
        if not self._now:
            return []
        task = self._now.pop(self._chance.randrange(len(self._now)))
        if self._chance.random() < self._fails:
            return [Report(task.number, 0, "failed", "by chance.")]
        self.done.append(task.number)
        return [Report(task.number, 1, "done")]

    def close(self) -> None:
        pass


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 3), st.integers(1, 9), st.floats(0, 1), st.integers())
def test_every_task_is_done_once_after_what_it_needs(
    side: int, times: int, ahead: int, first: float, seed: int
) -> None:
    tasks = _tasks(side, times)
    fake = _Fake(tasks, seed, ahead=ahead)
    schedule = Schedule(tasks, first=first)
    list(drive(schedule, fake))
    assert sorted(fake.done) == list(range(len(tasks)))
    assert schedule.left == 0


@pytest.mark.parametrize("given_back", [False, True])
def test_a_part_hears_at_the_last_moment_that_a_coarse_block_can_be_made(
    given_back: bool, tmp_path: Path
) -> None:
    tasks = _tasks(side=8)  # four blocks and one above them
    journal = Journal(tmp_path / "journal")
    journal.begin(Fingerprint({}))
    with Leases(tmp_path / "leases") as leases, journal.log() as others:
        ours = SharedSchedule(tasks, journal, leases, first=0.0)
        taken = [ours.next(), ours.next()]
        for number in (2, 3):
            (tmp_path / "leases" / str(number)).touch()  # with another part
        assert ours.next() is None
        for task in taken:
            assert task is not None
            ours.finish(task.number)
        for number in (2, 3):
            others.add(Entry(number, "", 1, 0.0))
            if given_back:  # then we hear of it while we try to take the block
                (tmp_path / "leases" / str(number)).unlink()
        last = ours.next()
        assert last is not None
        assert last.node.level == 1


@settings(max_examples=20)
@given(st.integers(4, 40), st.integers())
def test_what_failed_comes_again_and_then_what_needs_it(side: int, seed: int) -> None:
    tasks = _tasks(side)
    fake = _Fake(tasks, seed, fails=0.2)
    schedule = Schedule(tasks)
    for _ in range(30):
        list(drive(schedule, fake))
        schedule.begin_again()
    assert sorted(fake.done) == list(range(len(tasks)))


@settings(max_examples=20)
@given(st.integers(4, 40), st.data())
def test_what_is_finished_does_not_come_again(side: int, data: st.DataObject) -> None:
    tasks = _tasks(side)
    order = [task.number for task in tasks]
    before = order[: data.draw(st.integers(0, len(order)))]
    fake = _Fake(tasks, 0)
    fake.done = list(before)
    schedule = Schedule(tasks, [Entry(number, "", 2, 0.0) for number in before])
    assert schedule.windows_done == 2 * len(before)
    list(drive(schedule, fake))
    assert sorted(fake.done) == sorted(order)


def test_a_schedule_holds_a_few_bytes_per_block() -> None:
    tasks = _tasks(side=400)
    assert len(tasks) > 10_000
    schedule = Schedule(tasks)
    tracemalloc.start()
    while (task := schedule.next()) is not None:
        schedule.finish(task.number)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert schedule.left == 0
    assert peak < 2**17
