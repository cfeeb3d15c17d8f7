"""Job: a run in a few hundred bytes, from which another process opens it and takes part."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import open_image
from napari_ziggurat.networks import load_model
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.output.output import Output, go_on
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.workers.worker import Worker

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """A run that has begun.

    Attributes
    ----------
    config : SegmentConfig
        One image to one output, with whole paths and nothing left to be chosen.
    fingerprint : str
        Digest of what decides the result; another process must come to the same.
    """

    config: SegmentConfig
    fingerprint: str

    @classmethod
    def of(cls, output: Output, config: SegmentConfig) -> "Job":
        """Describe the run of an output, of which ``config`` says the model.

        Raises
        ------
        InputError
            The image is in memory, where no other process can read it.
        """
        plan = output.plan
        source = plan.image.source
        if source is None:
            raise InputError(
                f"'{plan.image.name}' is in the memory of this process, and others cannot read it. "
                "Write it to a file, or leave out what starts more processes."
            )
        resolved = config.model_copy(
            update={
                "image": source.absolute() if isinstance(source, Path) else source,
                "model": config.model.absolute(),
                "out": output.out.absolute(),
                "level": None if config.levels else plan.level,
                "block": plan.shard,
                "precision": plan.engine.precision,
                "device": plan.engine.device.split(":")[0],
                **dict.fromkeys(("overwrite", "dry_run", "verify"), False),
                **dict.fromkeys(("workers", "part", "dask", "memory")),
            }
        )
        return cls(resolved, output.journal.digest)

    def to_json(self) -> str:
        """Write it down."""
        values = self.config.model_dump(mode="json", exclude_defaults=True)
        return json.dumps({"config": values, "fingerprint": self.fingerprint})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return cls(SegmentConfig.create(values["config"]), values["fingerprint"])

    def open(self, *, device: str | None = None, threads: int | None = None) -> "OpenJob":
        """Load the model, open image and output.

        Parameters
        ----------
        device : str, optional
            Where to compute, such as ``"cuda:1"``.
        threads : int, optional
            Threads to compute with.

        Raises
        ------
        InputError
            The image or the model are not those that the run began with.
        """
        changes = {"device": device, "threads": threads}
        given = {name: value for name, value in changes.items() if value is not None}
        config = self.config.model_copy(update=given)
        with ExitStack() as opened:
            model = load_model(config.model)
            session = opened.enter_context(Session(model, SegmentOptions.from_config(config)))
            image = open_image(
                config.image, axes=config.axes, spacing=config.spacing, unit=config.unit,
                nan_as=config.nan_as,
            )  # fmt: skip
            output = go_on(session.outline(image), config.out).with_gate()
            found = session.fingerprint(output.plan)
            output.journal.check(found, config.out)
            worker = Worker(output, session)
            opened.callback(worker.close)
            return OpenJob(worker, opened.pop_all())


@dataclass(frozen=True, eq=False)
class OpenJob:
    """A job with its model on a device; a context manager that ends it.

    Attributes
    ----------
    worker : Worker
        Computes its tasks.
    """

    worker: Worker
    _opened: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads."""
        self._opened.close()
