"""Crew: who computes a segmentation; this process, several, parts of a job array, or a cluster."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.inference.cores import available_cores
from napari_ziggurat.networks import Intensity
from napari_ziggurat.networks.device import resolve_device
from napari_ziggurat.runs.command import as_shell, command_words
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.output.output import Output
from napari_ziggurat.runs.output.tasks import Tasks
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.workers.executor import Executor
from napari_ziggurat.runs.workers.job import Job
from napari_ziggurat.runs.workers.lease import Leases
from napari_ziggurat.runs.workers.schedule import Schedule
from napari_ziggurat.runs.workers.shared_schedule import SharedSchedule
from napari_ziggurat.runs.workers.worker import Worker

__all__ = ["Crew"]

_POLL = 0.2  # seconds


@dataclass(frozen=True)
class Crew:
    """Who computes; this process alone unless something else is said.

    Attributes
    ----------
    devices : tuple of str
        One for each process where there are several on this machine.
    threads : int or None
        Threads of each process; all cores when None.
    part : tuple of int or None
        Which part this process is, and of how many.
    client : distributed.Client or None
        Of the Dask cluster that computes.
    config : SegmentConfig or None
        What other processes need to open the run.
    """

    devices: tuple[str, ...] = ()
    threads: int | None = None
    part: tuple[int, int] | None = None
    client: Any = None
    config: SegmentConfig | None = None

    @classmethod
    def of(cls, config: SegmentConfig, client: Any = None) -> "Crew":
        """Find who a config asks for.

        Raises
        ------
        InputError
            There are more processes than devices, and nobody asked for devices that are shared.
        """
        number, count = map(int, (config.part or "0/0").split("/"))
        devices = () if (config.workers or 1) == 1 or client else _devices(config)
        shared = max(1, available_cores() // len(devices)) if devices else None
        return cls(
            devices, config.threads or shared, (number, count) if count else None, client, config
        )

    @property
    def command(self) -> str | None:
        """Give the command line of the run; None where it was begun from Python without one."""
        if self.config is None:
            return None
        return as_shell(command_words(self.config, "ziggurat", "segment"))

    @property
    def processes(self) -> int:
        """How many processes compute on this machine."""
        return max(1, len(self.devices))

    def with_changes(self, changes: Mapping[str, Any]) -> "Crew":
        """Give the same who work on a run of other settings."""
        config = self.config and self.config.model_copy(update=dict(changes))
        return replace(self, config=config)

    @contextmanager
    def at_work(
        self, output: Output, session: Session, intensities: Mapping[int, Intensity]
    ) -> Iterator[tuple[Schedule, Executor]]:
        """Give the tasks that are left and who does them."""
        with ExitStack() as opened:
            schedule = self._schedule(output, opened)
            yield schedule, self._executor(output, session, intensities)

    @contextmanager
    def claim(self, output: Output) -> Iterator[None]:
        """Hold an output against other runs while this one works on it.

        Raises
        ------
        ExistsError
            Another process has it, or another run has taken its place.
        """
        with ExitStack() as opened:
            if self.part is None and output.journal.exists:
                opened.enter_context(output.journal.locked(output.out))
            output.check_ours()
            yield

    @contextmanager
    def alone(self, out: Path) -> Iterator[None]:
        """Wait until no other part is at the same thing."""
        if self.part is None:
            yield
            return
        with Leases(lease_folder(out)) as leases:
            while not leases.take("begin"):
                time.sleep(_POLL)
            yield

    def _schedule(self, output: Output, opened: ExitStack) -> Schedule:
        tasks, journal = Tasks.of(output.plan), output.journal
        if self.part is None:
            return Schedule(tasks, journal.news())
        number, count = self.part
        leases = opened.enter_context(Leases(lease_folder(output.out)))
        return SharedSchedule(tasks, journal, leases, number / count)

    def _executor(
        self, output: Output, session: Session, intensities: Mapping[int, Intensity]
    ) -> Executor:
        if self.config is None or (self.client is None and not self.devices):
            return Worker(output, session, intensities)
        job = Job.of(output, self.config)
        if self.client is not None:
            from napari_ziggurat.runs.workers.dask_cluster import DaskCluster

            return DaskCluster(job, self.client)
        from napari_ziggurat.runs.workers.processes import Processes

        return Processes(job, self.devices, self.threads or 1)


def _devices(config: SegmentConfig) -> tuple[str, ...]:
    """Give each process a device of its own, or what it is to share."""
    device, count = resolve_device(config.device), config.workers or 1
    if device.type == "cuda" and ":" not in config.device:
        _check(count, torch.cuda.device_count(), "GPUs", "--device cuda:0 if all are to share one")
        return tuple(f"cuda:{number}" for number in range(count))
    if device.type == "cpu" and config.threads is None:
        _check(count, available_cores(), "cores", "--threads 1 if they are to share cores")
    return (str(device),) * count


def _check(count: int, there: int, what: str, way_out: str) -> None:
    if count > there:
        raise InputError(
            f"--workers {count} asks for more processes than there are {what} ({there}). Give "
            f"--workers {max(1, there)}, or {way_out}."
        )


def lease_folder(out: Path) -> Path:
    """Name the folder in which the parts of a run tell each other what they are at."""
    return out.with_name(f".{out.name}.parts")
