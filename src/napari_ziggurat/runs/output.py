"""Output: where a segmentation goes, begun, gone on with, and finished.

Everything is streamed into an OME-Zarr. Where a TIFF, NIfTI or PNG is wanted, that store is a
working folder beside it, exported and removed at the end.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import ExistsError, InputError, ZigguratError
from napari_ziggurat.geometry import Axes, Block
from napari_ziggurat.images import (
    OutputGrid,
    create_output,
    export_labels,
    open_output,
    read_record,
    write_attributes,
)
from napari_ziggurat.runs.block_result import BlockResult
from napari_ziggurat.runs.journal import Fingerprint, Journal
from napari_ziggurat.runs.place import (
    PROBABILITIES,
    clear,
    is_file_format,
    probabilities_path,
    working_store,
)
from napari_ziggurat.runs.plan import SegmentPlan, output_axes

__all__ = ["Output", "begin_output"]


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
    """

    out: Path
    store: Path
    plan: SegmentPlan
    journal: Journal
    record: Mapping[str, Any]
    complete: bool = False

    @property
    def probabilities(self) -> Path:
        """OME-Zarr with the probabilities, beside the output."""
        return probabilities_path(self.out)

    @property
    def stores(self) -> tuple[Path, ...]:
        """Every store that this run writes; the labels come last."""
        more = (self.probabilities,) if self.plan.probabilities else ()
        return (*more, self.store)

    def write(self, block: Block, time: int, result: BlockResult) -> None:
        """Write the shards of a block at each level, then its journal entry."""
        self._write(self.store, block, time, result.labels)
        if self.plan.probabilities:
            self._write(self.probabilities, block, time, result.probabilities)
        self.journal.add(_entry(block, time), {"box": str(block.write_box)})

    def _write(self, store: Path, block: Block, time: int, levels: Sequence[NDArray[Any]]) -> None:
        """Write arrays ((classes), (Z), Y, X), one per predicted level."""
        leading = (time,) if self.plan.image.axes.has("t") else ()
        for level, array, voxels in zip(self.plan.levels, open_output(store), levels, strict=False):
            origin = level.box(self.plan.region).start
            inside = level.box(block.write_box).relative_to(origin).slices
            array[(*leading, ..., *inside)] = voxels

    def has(self, block: Block, time: int) -> bool:
        """Tell whether a block is finished."""
        return self.journal.has(_entry(block, time))

    def pyramids(self) -> list[tuple[str, Path, Literal["labels", "image"]]]:
        """Stage, store and kind of each pyramid whose coarser levels are to be filled."""
        found: list[tuple[str, Path, Literal["labels", "image"]]] = []
        found.append(("pyramid", self.store, "labels"))
        if self.plan.probabilities:
            found.append(("pyramid of probabilities", self.probabilities, "image"))
        return found

    def finish(self) -> None:
        """Mark the output as complete and export it where a file is wanted."""
        for store in self.stores:
            write_attributes(store, {"ziggurat": {"status": "complete"}})
        if self.store != self.out:
            record = {**self.record, "status": "complete"}
            export_labels(self.store, self.out, self.plan.image, record)
        self.tidy()

    def tidy(self) -> None:
        """Remove what a finished output does not need: working folder and journal entries."""
        if self.store != self.out:
            shutil.rmtree(self.store, ignore_errors=True)
        else:
            self.journal.close()


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
    store = working_store(out) if is_file_format(out) else out
    record = {**facts, "fingerprint": fingerprint.digest, "status": "running"}
    output = Output(out, store, plan, Journal(store / ".ziggurat"), record)
    if not overwrite and _is_complete(out, fingerprint):
        output.tidy()
        return replace(output, complete=True)
    if not overwrite:
        _refuse_others(output, fingerprint)
    if _can_go_on(output, fingerprint):
        return output
    clear(out, output.stores)
    _create(output, fingerprint)
    return output


def _is_complete(out: Path, fingerprint: Fingerprint) -> bool:
    record = read_record(out) if out.exists() else None
    return (
        record is not None
        and record.get("status") == "complete"
        and record.get("fingerprint") == fingerprint.digest
    )


def _can_go_on(output: Output, fingerprint: Fingerprint) -> bool:
    """Tell whether this very run was interrupted here; without a journal it had hardly begun."""
    if not all(store.exists() for store in output.stores) or not output.journal.exists:
        return False
    if output.journal.differences(fingerprint):
        return False
    # The working folder of a file is complete while the file is being written from it.
    return output.store != output.out or not _is_complete(output.out, fingerprint)


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
        _grid(output.plan, channels=0),
        kind="labels",
        classes=[c for c in output.plan.spec.classes if c.value],
        version=output.plan.version,
        attributes={"ziggurat": dict(output.record)},
    )


def _create_probabilities(output: Output) -> None:
    classes = output.plan.spec.classes
    create_output(
        output.probabilities,
        _grid(output.plan, channels=len(classes)),
        kind="image",
        channels=[c.name for c in classes],
        version=output.plan.version,
        attributes={"ziggurat": {**output.record, "content": PROBABILITIES}},
    )


def _grid(plan: SegmentPlan, channels: int) -> OutputGrid:
    """Give the grid of the labels, or of probabilities where there are channels."""
    level = plan.image.levels[plan.level]
    axes = output_axes(plan.image)
    time = (plan.times,) if axes.has("t") else ()
    one = (1,) * len(time)
    values, offsets = level.spacing.values, level.translation
    names, shapes = axes.names, (plan.region.shape, plan.chunk, plan.shard)
    if channels:
        names = names.replace(plan.image.axes.spatial, "c" + plan.image.axes.spatial)
    lead = [(channels,), (1,), (channels,)] if channels else [(), (), ()]
    shape, chunk, shard = (
        (*(time if i == 0 else one), *lead[i], *spatial) for i, spatial in enumerate(shapes)
    )
    return OutputGrid(
        axes=Axes(names),
        shape=shape,
        dtype=np.dtype(np.float32 if channels else np.uint8),
        spacing=level.spacing,
        translation=tuple(
            o + a * v for o, a, v in zip(offsets, plan.region.start, values, strict=True)
        ),
        chunk=chunk,
        shard=shard,
        downsamplings=tuple(each.downsampling for each in plan.levels[1:]),
    )


def _entry(block: Block, time: int) -> str:
    return f"{time}-{block.name}"
