"""Processes: several workers on one machine, each with a device or a share of the cores."""

import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.runs.output.tasks import Task
from napari_ziggurat.runs.workers.executor import Report
from napari_ziggurat.runs.workers.job import Job
from napari_ziggurat.runs.workers.serve import serve

__all__ = ["Processes"]

_AHEAD = 3  # tasks that a process has: one computed, one read, one on its way
_PATIENCE = 10.0  # seconds for a process to end by itself

_SPAWN = multiprocessing.get_context("spawn")  # torch does not survive a fork


@dataclass(eq=False)
class _Process:
    """A process, what it is to do, and the windows that it told of for each."""

    device: str
    process: BaseProcess
    connection: Connection
    tasks: dict[int, int] = field(default_factory=dict)


class Processes:
    """Worker processes; an `Executor`. One that dies is replaced, and its blocks are done again.

    Parameters
    ----------
    job : Job
        The run; each process opens it.
    devices : sequence of str
        One for each process.
    threads : int
        Threads of each.
    """

    def __init__(self, job: Job, devices: Sequence[str], threads: int) -> None:
        self._job, self._threads = job.to_json(), threads
        self._workers = [self._start(device) for device in devices]

    @property
    def has_room(self) -> bool:
        """Tell whether a process can take another task."""
        return any(len(worker.tasks) < _AHEAD for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """Process ids."""
        return [worker.process.pid or 0 for worker in self._workers]

    def submit(self, task: Task) -> None:
        """Give a task to the process with the fewest."""
        worker = min(self._workers, key=lambda each: len(each.tasks))
        worker.tasks[task.number] = 0
        with suppress(OSError):  # it died; `collect` finds out
            worker.connection.send(task)

    def collect(self) -> list[Report]:
        """Wait for news of any process."""
        busy = {worker.connection: worker for worker in self._workers if worker.tasks}
        if not busy:
            return []
        reports: list[Report] = []
        for connection in wait(list(busy)):
            reports += self._hear(busy[connection])  # type: ignore[index]
        return reports

    def close(self) -> None:
        """End all; what they were writing is not counted as done."""
        for worker in self._workers:
            if worker.tasks:
                worker.process.terminate()
            else:
                with suppress(OSError):
                    worker.connection.send(None)
        for worker in self._workers:
            worker.process.join(_PATIENCE)
            worker.process.kill()
            worker.connection.close()

    def _start(self, device: str) -> _Process:
        here, there = _SPAWN.Pipe()
        process = _SPAWN.Process(
            target=serve, args=(there, self._job, device, self._threads), daemon=True
        )
        process.start()
        there.close()
        return _Process(device, process, here)

    def _hear(self, worker: _Process) -> list[Report]:
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            return self._replace(worker)
        if isinstance(said, str):
            raise WorkFailed(said)
        for report in said:
            if report.state == "working":
                worker.tasks[report.task] += report.windows
            else:
                worker.tasks.pop(report.task, None)
        return list(said)

    def _replace(self, worker: _Process) -> list[Report]:
        """Put a new process in the place of one that died; its tasks count as failed."""
        worker.process.join(_PATIENCE)
        why = f"A worker process ended with {_ending(worker.process.exitcode)}."
        worker.connection.close()
        self._workers[self._workers.index(worker)] = self._start(worker.device)
        return [Report(task, -windows, "failed", why) for task, windows in worker.tasks.items()]


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"signal {-code} ({signal.Signals(-code).name})"
    return f"exit code {code}"
