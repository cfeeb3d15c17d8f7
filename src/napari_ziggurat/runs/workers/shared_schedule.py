"""Shared schedule: the tasks of a run that several processes share without a scheduler."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from napari_ziggurat.runs.output.journal import Journal
from napari_ziggurat.runs.output.tasks import Task, Tasks
from napari_ziggurat.runs.workers.lease import Leases
from napari_ziggurat.runs.workers.schedule import Schedule

__all__ = ["SharedSchedule"]

_FINISH = "finish"
_LISTEN = 1.0  # seconds between two looks at what the others have finished


class SharedSchedule(Schedule):
    """Gives tasks that nobody else has finished or is at work on.

    Parameters
    ----------
    tasks : Tasks
    journal : Journal
        Tells what the others have finished.
    leases : Leases
        Tell what they are at work on.
    first : float
        Where in the order this process begins, from 0 to 1, so that few meet.
    """

    def __init__(self, tasks: Tasks, journal: Journal, leases: Leases, first: float) -> None:
        self._journal, self._leases = journal, leases
        self._listened = 0.0
        self._aside: dict[int, Task] = {}
        super().__init__(tasks, journal.news(), first)

    def next(self) -> Task | None:
        """Give a task that is ours now; None when all that can begin is done or with others."""
        if time.monotonic() - self._listened > _LISTEN:
            self._listen()
        while True:
            left = self.left  # before we try: trying listens, too
            if (task := self._ours() or self._from_aside()) is not None:
                return task
            self._listen()
            if self.left == left:  # else what others finished may be what a task has waited for
                return None

    def finish(self, number: int) -> None:
        """Note that a task is finished, here or by somebody else."""
        super().finish(number)
        self._aside.pop(number, None)
        self._leases.give_back(str(number))

    def fail(self, number: int) -> None:
        """Leave a task that failed to whoever tries it next."""
        self._leases.give_back(str(number))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process does what one does for all."""
        while not self._leases.take(_FINISH):
            time.sleep(_LISTEN / 4)
        try:
            yield
        finally:
            self._leases.give_back(_FINISH)

    def _ours(self) -> Task | None:
        while (task := super().next()) is not None:
            if self._take(task):
                return task
            self._aside[task.number] = task
        return None

    def _from_aside(self) -> Task | None:
        """Look again at what others had: one of them may have died."""
        return next((task for task in list(self._aside.values()) if self._take(task)), None)

    def _take(self, task: Task) -> bool:
        """Try to make a task ours; it may have been finished since we last listened."""
        if not self._leases.take(str(task.number)):
            return False
        self._aside.pop(task.number, None)
        self._listen()
        if not self._is_done(task.number):
            return True
        self._leases.give_back(str(task.number))
        return False

    def _listen(self) -> None:
        for entry in self._journal.news():
            self.finish(entry.task)
        self._listened = time.monotonic()
