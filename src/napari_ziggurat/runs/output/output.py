"""Output: where a segmentation goes, begun, gone on with, and finished.

Everything is streamed into an OME-Zarr. Where a TIFF, NIfTI or PNG is wanted, that store is a
working folder beside it, exported and removed at the end.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import ExistsError, InputError, ZigguratError
from napari_ziggurat.images import create_output, export_labels, read_record, write_attributes
from napari_ziggurat.runs.output.gate_map import GateMap
from napari_ziggurat.runs.output.journal import Fingerprint, Journal
from napari_ziggurat.runs.output.place import (
    PROBABILITIES,
    clear,
    coarse_folder,
    is_file_format,
    probabilities_path,
    working_store,
)
from napari_ziggurat.runs.output.storage import output_grid
from napari_ziggurat.runs.output.writer import BlockWriter
from napari_ziggurat.runs.plan.plan import SegmentPlan

__all__ = ["Output", "begin_output", "go_on", "is_finished"]


@dataclass(frozen=True)
class Output:
    """The stores of one run.

    Attributes
    ----------
    out : Path
        What the person asked for.
    store : Path
        OME-Zarr with the labels; ``out`` itself unless that is a file.
    plan : SegmentPlan
    journal : Journal
    record : mapping
        What is told of the run in the output.
    complete : bool
        The same run was finished before.
    gate : GateMap or None
        Where it is computed, once that is decided; everywhere when None.
    """

    out: Path
    store: Path
    plan: SegmentPlan
    journal: Journal
    record: Mapping[str, Any]
    complete: bool = False
    gate: GateMap | None = None

    @property
    def windows(self) -> int:
        """Windows to compute."""
        return self.plan.windows if self.gate is None else self.gate.windows

    def with_gate(self) -> "Output":
        """Read where it is computed, if the plan has a gate and that was decided."""
        if self.plan.gate is None:
            return self
        return replace(self, gate=GateMap.load(self.journal.folder, self.plan.lattice))

    @property
    def probabilities(self) -> Path:
        """OME-Zarr with the probabilities, beside the output."""
        return probabilities_path(self.out)

    @property
    def stores(self) -> tuple[Path, ...]:
        """Every store that this run writes; the labels come last."""
        more = (self.probabilities,) if self.plan.probabilities else ()
        return (*more, self.store)

    @property
    def writer(self) -> BlockWriter:
        """Give what writes the blocks."""
        more = self.probabilities if self.plan.probabilities else None
        return BlockWriter(self.plan, self.store, more, self.store / ".ziggurat" / "drafts")

    def reopened(self) -> "Output":
        """Mark the output as running again."""
        for store in self.stores:
            write_attributes(store, {"ziggurat": {"status": "running"}})
        return replace(self, complete=False)

    def finish(self, facts: Mapping[str, Any] | None = None) -> None:
        """Mark the output as complete and export it where a file is wanted.

        Parameters
        ----------
        facts : mapping, optional
            What is known of the run now that it is over, for its record.
        """
        batches = {entry.batch for entry in Journal(self.journal.folder).news() if entry.windows}
        last = {**(facts or {}), "batches": sorted(batches), "status": "complete"}
        for store in self.stores:
            write_attributes(store, {"ziggurat": last})
        if self.store != self.out:
            export_labels(self.store, self.out, self.plan.image, {**self.record, **last})
        self.tidy()

    def check_ours(self) -> None:
        """Refuse to go on where another run has taken the place of this one.

        Raises
        ------
        ExistsError
            The journal is that of another run.
        """
        if self.journal.exists and self.journal.digest != self.record["fingerprint"]:
            raise ExistsError(
                f"Another run has replaced '{self.out}' a moment ago. Give another --out."
            )

    @property
    def is_over(self) -> bool:
        """Tell whether somebody has finished it by now."""
        record = read_record(self.out) if self.out.exists() else None
        return _tells_of(record, self.record["fingerprint"])

    def tidy(self) -> None:
        """Remove what only an unfinished run needs: drafts, working store, coarser levels."""
        unneeded = self.writer.drafts if self.store == self.out else self.store
        for folder in (unneeded, coarse_folder(self.out)):
            shutil.rmtree(folder, ignore_errors=True)


def begin_output(
    plan: SegmentPlan,
    out: Path,
    fingerprint: Fingerprint,
    facts: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> Output:
    """Create the output, or go on with the one of the same run.

    Parameters
    ----------
    plan : SegmentPlan
        What is written; `check_place` has accepted it for ``out``.
    out : Path
        Where to.
    fingerprint : Fingerprint
        What decides the result.
    facts : mapping
        What is told of the run in its output.
    overwrite : bool
        Replace what is there; the same run is gone on with where it was interrupted.

    Raises
    ------
    ExistsError
        Something else is there, or another run.
    InputError
        The place cannot be written to, or what is there cannot be replaced.
    """
    record = {**facts, "fingerprint": fingerprint.digest, "status": "running"}
    output = replace(go_on(plan, out), record=record)
    if output.journal.exists:
        with output.journal.locked(out):
            pass  # refused while another process writes there
    whole = not plan.probabilities or output.probabilities.exists()
    if not overwrite and whole and is_finished(out, fingerprint):
        output.tidy()
        return replace(output, complete=True)
    if not overwrite:
        _refuse_others(output, fingerprint)
    if _can_go_on(output, fingerprint):
        return output
    clear(out, output.stores)
    _create(output, fingerprint)
    return output


def go_on(plan: SegmentPlan, out: Path) -> Output:
    """Give the output of a run that another process began."""
    store = working_store(out) if is_file_format(out) else out
    return Output(out, store, plan, Journal(store / ".ziggurat"), {})


def is_finished(out: Path, fingerprint: Fingerprint) -> bool:
    """Tell whether the output of this very run is complete."""
    record = read_record(out) if out.exists() else None
    return _tells_of(record, fingerprint.digest)


def _tells_of(record: Mapping[str, Any] | None, digest: str) -> bool:
    """Tell whether a record is that of a finished run."""
    return (
        record is not None
        and record.get("status") == "complete"
        and record.get("fingerprint") == digest
    )


def _can_go_on(output: Output, fingerprint: Fingerprint) -> bool:
    """Tell whether this very run was interrupted here; without a journal it had hardly begun."""
    if not all(store.exists() for store in output.stores) or not output.journal.exists:
        return False
    if output.journal.differences(fingerprint):
        return False
    # The working folder of a file is complete while the file is being written from it.
    return output.store != output.out or not is_finished(output.out, fingerprint)


def _refuse_others(output: Output, fingerprint: Fingerprint) -> None:
    """Refuse to replace anything that this very run did not write."""
    if output.store != output.out and output.out.exists():
        raise _in_the_way(output.out)
    if output.journal.exists:
        output.journal.check(fingerprint, output.out)
    for store in output.stores:
        if store.exists() and not _is_ours(store, fingerprint):
            raise _in_the_way(store)


def _is_ours(store: Path, fingerprint: Fingerprint) -> bool:
    record = read_record(store)
    return record is not None and record.get("fingerprint") == fingerprint.digest


def _in_the_way(path: Path) -> ExistsError:
    return ExistsError(
        f"'{path}' exists and is not this run's. Give another --out, or --overwrite to replace it."
    )


def _create(output: Output, fingerprint: Fingerprint) -> None:
    try:
        output.store.parent.mkdir(parents=True, exist_ok=True)
        _create_labels(output)
        if output.plan.probabilities:
            _create_probabilities(output)
        output.journal.begin(fingerprint)
    except ZigguratError:
        raise
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise InputError(
            f"'{output.out}' cannot be written ({error.strerror or error}). Give an --out in a "
            "folder that you may write to."
        ) from error


def _create_labels(output: Output) -> None:
    create_output(
        output.store,
        output_grid(output.plan, channels=0),
        kind="labels",
        classes=[c for c in output.plan.spec.classes if c.value],
        version=output.plan.version,
        attributes={"ziggurat": dict(output.record)},
    )


def _create_probabilities(output: Output) -> None:
    names = output.plan.spec.outputs
    create_output(
        output.probabilities,
        output_grid(output.plan, channels=len(names)),
        kind="image",
        channels=names,
        version=output.plan.version,
        attributes={"ziggurat": {**output.record, "content": PROBABILITIES}},
    )
