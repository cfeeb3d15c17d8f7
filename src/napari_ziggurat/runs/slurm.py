"""Slurm: a job script that segments in parts, each of which others can take over."""

from dataclasses import dataclass
from pathlib import Path

from napari_ziggurat.errors import InputError
from napari_ziggurat.runs.command import as_shell, command_words
from napari_ziggurat.runs.config import SegmentConfig, SlurmConfig

__all__ = ["SlurmScript", "slurm_script"]

_PART = '"$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"'


@dataclass(frozen=True)
class SlurmScript:
    """A job script for ``sbatch``."""

    text: str

    def as_dict(self) -> dict[str, object]:
        """Give the script as JSON can hold it."""
        return {"script": self.text}

    def render(self) -> str:
        """Give the script."""
        return self.text.rstrip("\n")


def slurm_script(config: SlurmConfig) -> SlurmScript:
    """Write a job array; every task of it segments what nobody else is at.

    A task that dies, or is stopped by its time limit, is put in line again by Slurm or by a second
    ``sbatch`` of the same script.

    Raises
    ------
    InputError
        A setting cannot go with parts.
    """
    names = set(SegmentConfig.model_fields)
    values = config.model_dump(include=names, exclude_defaults=True) | {
        "image": _whole(config.image),
        "model": _whole(config.model),
        "out": _whole(config.out),
    }
    for name in ("workers", "part", "dask", "overwrite", "dry_run", "verify"):
        if values.get(name):
            raise InputError(f"{config.option(name)} has no place in a job array; leave it out.")
    segment = SegmentConfig.create(values)
    command = as_shell(command_words(segment, "ziggurat", "segment"))
    return SlurmScript("\n".join([*_head(config), "", f"srun {command} --part {_PART}", ""]))


def _whole(path: object) -> object:
    return path.absolute() if isinstance(path, Path) else path


def _head(config: SlurmConfig) -> list[str]:
    name = config.out.name.split(".")[0]
    wishes = {
        "job-name": f"ziggurat-{name}",
        "array": f"0-{config.parts - 1}",
        "time": config.time,
        "cpus-per-task": config.cpus,
        "mem": config.mem,
        "gpus-per-task": config.gpus or None,
        "partition": config.partition,
        "account": config.account,
        "output": "ziggurat-%A_%a.log",
        "requeue": "",
    }
    lines = [
        f"#SBATCH --{key}" + (f"={value}" if value != "" else "")
        for key, value in wishes.items()
        if value is not None
    ]
    return ["#!/bin/bash", *lines, "", "set -euo pipefail", *_environment(config)]


def _environment(config: SlurmConfig) -> list[str]:
    return [config.setup] if config.setup else []
