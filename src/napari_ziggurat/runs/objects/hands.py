"""Hands: who does the tasks of a stage; this process, or several beside it."""

import multiprocessing
import signal
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_ziggurat.errors import WorkFailed, ZigguratError
from napari_ziggurat.runs.config import ObjectsConfig
from napari_ziggurat.runs.objects.plan import ObjectsPlan
from napari_ziggurat.runs.objects.work import Work
from napari_ziggurat.runs.workers.failure import concerns_all, explain

__all__ = ["Alone", "Done", "Hands", "Several", "drafts", "hands"]

_AHEAD = 2  # tasks that wait for each process

_work: Work | None = None  # of a worker process


@dataclass(frozen=True)
class Done:
    """What became of a task.

    Attributes
    ----------
    task : int
        Its number.
    digest : str
        Of what it wrote, which is on the disk.
    why : str
        What went wrong instead; the task may be done again.
    """

    task: int
    digest: str = ""
    why: str = ""


class Alone:
    """Does tasks in this process."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def do(self, tasks: Iterable[int]) -> Iterator[Done]:
        """Do tasks; tell of each what became of it.

        Raises
        ------
        ZigguratError, OSError, MemoryError
            Something is wrong that other tasks would meet as well.
        """
        return (_told(task, partial(self._work.do, task)) for task in tasks)


class Several:
    """Does tasks in worker processes; as `Alone` otherwise."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool, self._count = pool, count

    def do(self, tasks: Iterable[int]) -> Iterator[Done]:
        """Do tasks, in whatever order they are finished."""
        waiting: dict[Future[str], int] = {}
        try:
            for task in tasks:
                waiting[self._pool.submit(_do, task)] = task
                if len(waiting) >= self._count * _AHEAD:
                    yield from _finished(waiting)
            while waiting:
                yield from _finished(waiting)
        except BrokenProcessPool:
            raise WorkFailed(
                "A worker process ended before its block was done; perhaps the memory ran out. "
                "Give fewer --workers or a smaller --block. The same command does the rest."
            ) from None


Hands = Alone | Several


@contextmanager
def hands(plan: ObjectsPlan, store: Path) -> Iterator[Hands]:
    """Give who does the tasks."""
    count = plan.config.workers
    if count == 1:
        yield Alone(Work(plan, store, _new_draft(store)))
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, spawn, _open, (plan.config, store))
    try:
        yield Several(pool, count)
    finally:
        pool.shutdown(cancel_futures=True)


def drafts(store: Path) -> Path:
    """Name the folder in which the drafts of all processes lie."""
    return store / ".ziggurat" / "drafts"


def _new_draft(store: Path) -> Path:
    return drafts(store) / uuid.uuid4().hex


def _finished(waiting: dict[Future[str], int]) -> Iterator[Done]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        yield _told(waiting.pop(future), future.result)


def _told(task: int, work: Callable[[], str]) -> Done:
    try:
        return Done(task, work())
    except (ZigguratError, BrokenProcessPool):
        raise  # what was given does not fit, or nobody is left to do anything
    except Exception as error:
        if concerns_all(error):
            raise
        return Done(task, why=explain(error))


def _open(config: ObjectsConfig, store: Path) -> None:
    """Begin a worker process."""
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    _work = Work(ObjectsPlan.of(config), store, _new_draft(store))


def _do(task: int) -> str:
    assert _work is not None  # it was opened
    return _work.do(task)
