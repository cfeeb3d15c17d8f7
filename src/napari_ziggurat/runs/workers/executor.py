"""Executor: whoever computes tasks, here or elsewhere; and the loop that keeps it busy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.runs.output.tasks import Task
from napari_ziggurat.runs.workers.schedule import Schedule

__all__ = ["Executor", "Report", "drive"]

_IN_A_ROW = 10


@dataclass(frozen=True)
class Report:
    """What happened to a task.

    Attributes
    ----------
    task : int
        Its number.
    windows : int
        Windows that were computed for it since the last report; negative where they are lost.
    state : str
        ``"working"``, ``"done"`` (it is written and stands in the journal) or ``"failed"``.
    why : str
        What went wrong, in a sentence.
    """

    task: int
    windows: int = 0
    state: Literal["working", "done", "failed"] = "working"
    why: str = ""


class Executor(Protocol):
    """Computes, writes and journals tasks. What it holds is bounded: it takes some at a time.

    An error that other tasks would meet as well, such as a full disk, is raised by `collect`.
    """

    @property
    def has_room(self) -> bool:
        """Tell whether another task may be submitted now."""
        ...

    def submit(self, task: Task) -> None:
        """Take a task whose needs are finished."""
        ...

    def collect(self) -> list[Report]:
        """Wait until something happened; nothing when there is nothing to wait for."""
        ...

    def close(self) -> None:
        """End; tasks that are not finished are dropped."""
        ...


def drive(schedule: Schedule, executor: Executor) -> Iterator[Report]:
    """Keep an executor busy until no task can begin any more.

    Raises
    ------
    WorkFailed
        Many tasks failed and none was finished between them.
    """
    in_a_row = 0
    while True:
        while executor.has_room and (task := schedule.next()) is not None:
            executor.submit(task)
        reports = executor.collect()
        if not reports:
            return
        for report in reports:
            if report.state == "done":
                schedule.finish(report.task)
                in_a_row = 0
            if report.state == "failed":
                schedule.fail(report.task)
                in_a_row += 1
            yield report
        if in_a_row >= _IN_A_ROW:
            raise WorkFailed(
                f"{in_a_row} blocks failed one after the other, the last because of this: "
                f"{reports[-1].why or 'see the first'} What is finished is kept, and the same "
                "command goes on from there."
            )
