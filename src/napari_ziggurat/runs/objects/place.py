"""Place: where objects are written, begun or gone on with, and where their table lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.images import create_output, read_record, write_attributes
from napari_ziggurat.runs.command import as_shell, command_words
from napari_ziggurat.runs.objects.plan import ObjectsPlan
from napari_ziggurat.runs.output.journal import Fingerprint, Journal
from napari_ziggurat.runs.output.place import check_apart, clear
from napari_ziggurat.runs.versions import versions

__all__ = ["CONTENT", "Place", "begin", "table_beside"]

CONTENT = "objects"
"""What the record of such an output says that it holds."""


@dataclass(frozen=True)
class Place:
    """The store of one run.

    Attributes
    ----------
    store : Path
        OME-Zarr of the objects.
    journal : Journal
    complete : bool
        The same run was finished before.
    """

    store: Path
    journal: Journal
    complete: bool = False

    @property
    def record(self) -> Mapping[str, Any]:
        """What is told of the run."""
        return read_record(self.store) or {}

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Mark the output as complete, last of all."""
        write_attributes(self.store, {"ziggurat": {**facts, "status": "complete"}})


def table_beside(plan: ObjectsPlan) -> Path:
    """Name the table: as it was asked for, else beside the outermost store that is written."""
    if plan.config.table is not None:
        return plan.config.table
    out = plan.config.out
    name = out.name.removesuffix(".zarr").removesuffix(".ome")
    inside = [parent for parent in out.parents if parent.name.endswith(".zarr")]
    return (inside[-1] if inside else out).with_name(f"{name}_objects.csv")


def begin(plan: ObjectsPlan) -> Place:
    """Create the output, or go on with the one of the same run.

    Raises
    ------
    ExistsError
        Something else is there, or another run.
    InputError
        The place cannot take the result.
    """
    out, fingerprint = plan.config.out, plan.fingerprint()
    _check(plan)
    place = Place(out, Journal(out / ".ziggurat"))
    record = (read_record(out) if out.exists() else None) or {}
    ours = record.get("fingerprint") == fingerprint.digest
    finished = ours and record.get("status") == "complete"
    if not plan.config.overwrite:
        if finished:
            return Place(out, place.journal, complete=True)
        _refuse_others(place, fingerprint, ours=ours)
    same = place.journal.exists and not place.journal.differences(fingerprint)
    if same and ours and not finished:
        return place
    if place.journal.exists:
        with place.journal.locked(out):
            pass  # refused while another process writes there
    clear(out, [out])
    _create(plan, fingerprint)
    place.journal.begin(fingerprint)
    return place


def _check(plan: ObjectsPlan) -> None:
    out = plan.config.out
    stores = [part for part in (out, *out.parents) if part.name.endswith(".zarr")]
    if not stores:
        raise InputError(
            f"Objects are written as OME-Zarr; '{out}' is none. Give --out a name ending in "
            ".ome.zarr."
        )
    for image in (plan.labels, plan.image):
        check_apart(out, None if image is None else image.source)


def _refuse_others(place: Place, fingerprint: Fingerprint, *, ours: bool) -> None:
    if place.journal.exists:
        place.journal.check(fingerprint, place.store)
    if place.store.exists() and not ours:
        raise ExistsError(
            f"'{place.store}' exists and is not this run's. Give another --out, or --overwrite to "
            "replace it."
        )


def _create(plan: ObjectsPlan, fingerprint: Fingerprint) -> None:
    level = plan.labels.levels[0]
    record = {
        "content": CONTENT,
        "command": as_shell(command_words(plan.config, "ziggurat", "objects")),
        "labels": str(plan.labels.source or plan.labels.name),
        "unit": level.spacing.unit,
        "versions": versions(),
        "fingerprint": fingerprint.digest,
        "status": "running",
    }
    try:
        create_output(
            plan.config.out, plan.output, kind="labels", version=plan.config.version,
            attributes={"ziggurat": record},
        )  # fmt: skip
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        if isinstance(error, ExistsError):
            raise
        raise InputError(
            f"'{plan.config.out}' cannot be written ({error.strerror or error}). Give an --out in "
            "a folder that you may write to."
        ) from error
