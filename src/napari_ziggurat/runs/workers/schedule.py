"""Schedule: which tasks of a run are left, and which of them can begin."""

from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, islice

from napari_ziggurat.runs.output.journal import Entry
from napari_ziggurat.runs.output.tasks import Task, Tasks

__all__ = ["Schedule"]


class Schedule:
    """Gives tasks in an order in which all that a task needs is finished before it.

    Memory holds one byte per task, and the few coarse blocks that wait for finer ones.

    Parameters
    ----------
    tasks : Tasks
    done : iterable of Entry
        Tasks that are finished.
    first : float
        Where in the order to begin, from 0 to 1; what lies before comes last.

    Attributes
    ----------
    left : int
        Tasks that are not finished.
    windows_done : int
        Windows of those that were finished at the start.
    """

    def __init__(self, tasks: Tasks, done: Iterable[Entry] = (), first: float = 0.0) -> None:
        self.tasks = tasks
        self._done = bytearray(len(tasks))
        self.left = len(tasks)
        self.windows_done = sum(entry.windows for entry in done if self._note(entry.task))
        self._skipped = int(first * len(tasks))
        self.begin_again()

    def begin_again(self) -> None:
        """Give once more what is not finished, such as tasks that failed."""
        left, last = (self.tasks.left(self._is_done) for _ in range(2))
        self._order = chain(islice(left, self._skipped, None), islice(last, self._skipped))
        self._waiting: dict[int, Task] = {}
        self._ready: deque[Task] = deque()

    def next(self) -> Task | None:
        """Give a task that can begin; None when there is none now, or none any more."""
        while self._ready:
            task = self._ready.popleft()
            if not self._done[task.number]:
                return task
        for task in self._order:
            if self._done[task.number]:
                continue
            if self._can_begin(task):
                return task
            self._waiting[task.number] = task
        return None

    def finish(self, number: int) -> None:
        """Note that a task is finished, here or by somebody else."""
        if not self._note(number):
            return
        above = self.tasks.needed_by(self.tasks.task(number))
        if above is not None and above.number in self._waiting and self._can_begin(above):
            self._ready.append(self._waiting.pop(above.number))

    def fail(self, number: int) -> None:
        """Note that a task failed; it comes again after `begin_again`."""

    def alone(self) -> AbstractContextManager[object]:
        """Keep others off what one process does for all."""
        return nullcontext()

    def _note(self, number: int) -> bool:
        """Tell whether it is news that a task is finished."""
        if self._done[number]:
            return False
        self._done[number] = 1
        self.left -= 1
        return True

    def _is_done(self, number: int) -> bool:
        return bool(self._done[number])

    def _can_begin(self, task: Task) -> bool:
        return all(self._done[each.number] for each in self.tasks.needs(task))
