"""Dask cluster: tasks as opaque calls on the workers of `dask.distributed`; no array travels.

A call carries the description of the run and the number of a block, under a kilobyte. Only a few
per worker are with the scheduler at a time, so that runs of millions of blocks cost it nothing.
"""

import threading
import time
import uuid
from typing import Any

from napari_ziggurat import __version__
from napari_ziggurat.errors import InputError, WorkFailed
from napari_ziggurat.runs.output.tasks import Task
from napari_ziggurat.runs.workers.executor import Report
from napari_ziggurat.runs.workers.failure import concerns_all, explain
from napari_ziggurat.runs.workers.job import Job, OpenJob
from napari_ziggurat.runs.workers.worker import Worker

__all__ = ["DaskCluster", "connect"]

_AHEAD = 2  # calls per thread of the workers
_WAIT = 20.0  # seconds until a cluster must have answered
_MISSING = 'pip install "napari-ziggurat[cluster]"'

_LOOK = 5.0  # seconds between two looks at the workers

_one_at_a_time = threading.Lock()
_opened: dict[str, OpenJob] = {}  # of a worker's process


def connect(address: str) -> Any:
    """Give a client of the scheduler at an address, such as ``"tcp://host:8786"``.

    Raises
    ------
    InputError
        Dask is not installed, or there is no scheduler.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(f"--dask needs dask.distributed: {_MISSING}.") from None
    try:
        return Client(address, timeout=_WAIT)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"There is no Dask scheduler at '{address}' ({error}). Start one with 'dask scheduler' "
            "and give its address, such as tcp://host:8786."
        ) from error


class DaskCluster:
    """The workers of a Dask cluster; an `Executor`.

    Parameters
    ----------
    job : Job
        The run; each worker opens it once. Image, model and output must lie where workers see them.
    client : distributed.Client
        Of any cluster; whoever opened it closes it.

    Raises
    ------
    InputError
        A worker has no napari-ziggurat, or another version of it.
    """

    def __init__(self, job: Job, client: Any) -> None:
        self._job, self._client = job.to_json(), client
        self._key = uuid.uuid4().hex
        self._calls: dict[Any, int] = {}
        self._looked, self._threads = 0.0, 1
        _check_workers(client)

    @property
    def has_room(self) -> bool:
        """Tell whether the workers should have another call in their queues."""
        if time.monotonic() - self._looked > _LOOK:  # workers come and go
            self._threads = sum(self._client.nthreads().values())
            self._looked = time.monotonic()
        return len(self._calls) < _AHEAD * max(1, self._threads)

    def submit(self, task: Task) -> None:
        """Send a call."""
        future = self._client.submit(_run, self._key, self._job, task, pure=False)
        self._calls[future] = task.number

    def collect(self) -> list[Report]:
        """Wait for any call."""
        if not self._calls:
            return []
        from distributed import wait

        finished = wait(list(self._calls), return_when="FIRST_COMPLETED").done
        return [self._report(future, self._calls.pop(future)) for future in finished]

    def close(self) -> None:
        """Take back the calls that have not begun."""
        for future in self._calls:
            future.cancel()

    def _report(self, future: Any, task: int) -> Report:
        if future.status == "finished":
            windows, why = future.result()
            return Report(task, windows, "failed" if why else "done", why)
        if future.status != "error":
            return Report(task, 0, "failed", "The call was lost with its worker.")
        error = future.exception()
        if concerns_all(error):
            raise WorkFailed(explain(error)) from error
        return Report(task, 0, "failed", explain(error))


def _check_workers(client: Any) -> None:
    """Refuse workers that would compute something else than this process, or nothing."""
    found = client.run(_version, on_error="return")
    if not found:
        raise InputError(
            "The Dask cluster has no workers. Start some with 'dask worker ADDRESS', or scale it."
        )
    for address, version in found.items():
        if version == __version__:
            continue
        has = f"has {version}" if isinstance(version, str) else f"has none ({version})"
        raise InputError(
            f"Dask worker {address} {has} where napari-ziggurat {__version__} is needed. Install "
            "the same version on every worker."
        )


def _version() -> str:
    """Run on a worker; where the package is missing, loading this fails."""
    return __version__


def _run(key: str, job: str, task: Task) -> tuple[int, str]:
    """Do a task on a worker; give its windows, and what went wrong."""
    with _one_at_a_time:  # its own threads share the work of a block
        try:
            return _do(_open(key, job).worker, task)
        except BaseException:  # what it was at must not come up in the next call
            if key in _opened:
                _opened.pop(key).close()
            raise


def _do(worker: Worker, task: Task) -> tuple[int, str]:
    worker.submit(task)
    windows, why = 0, ""
    while reports := worker.collect():
        windows += sum(report.windows for report in reports)
        why += "".join(report.why for report in reports)
    return windows, why


def _open(key: str, job: str) -> OpenJob:
    """Open a run once in a worker's process, and close the one before."""
    if key not in _opened:
        while _opened:
            _opened.popitem()[1].close()
        from distributed import get_worker

        threads = get_worker().state.nthreads
        _opened[key] = Job.from_json(job).open(threads=threads)
    return _opened[key]
