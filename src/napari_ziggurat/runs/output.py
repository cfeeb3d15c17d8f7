"""Output: where a segmentation goes, begun, gone on with, and finished.

Everything is streamed into an OME-Zarr. Where a TIFF, NIfTI or PNG is wanted, that store is a
working folder beside it, exported and removed at the end.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Axes, Block
from napari_ziggurat.images import (
    OutputGrid,
    create_output,
    export_labels,
    open_output,
    read_record,
    write_attributes,
)
from napari_ziggurat.runs.journal import Fingerprint, Journal
from napari_ziggurat.runs.plan import SegmentPlan, output_axes

__all__ = ["Output", "begin_output"]

_FILE_SUFFIXES = (".tif", ".tiff", ".nii", ".nii.gz", ".png")
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")


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

    def write(
        self, block: Block, time: int, labels: NDArray[np.uint8], more: NDArray[Any] | None
    ) -> None:
        """Write the shards of a block, then its journal entry."""
        inside = block.write_box.relative_to(self.plan.region.start).slices
        leading = (time,) if self.plan.image.axes.has("t") else ()
        open_output(self.store)[0][(*leading, *inside)] = labels
        if more is not None:
            open_output(self.probabilities)[0][(*leading, slice(None), *inside)] = more
        self.journal.add(_entry(block, time), {"box": str(block.write_box)})

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
        record = {**self.record, "status": "complete"}
        for store in (self.store, self.probabilities) if self.plan.probabilities else (self.store,):
            write_attributes(store, {"ziggurat": record})
        if self.store != self.out:
            export_labels(self.store, self.out, self.plan.image, record)
            shutil.rmtree(self.store)


def begin_output(
    plan: SegmentPlan, out: Path, fingerprint: Fingerprint, facts: Mapping[str, Any]
) -> Output:
    """Create the output, or go on with the one of the same run.

    Raises
    ------
    ExistsError
        Something else is there, or another run.
    InputError
        The place cannot be written to, or the file format cannot hold the result.
    """
    store = _store(plan, out)
    record = {**facts, "fingerprint": fingerprint.digest, "status": "running"}
    journal = Journal(store / ".ziggurat")
    output = Output(out, store, plan, journal, record)
    if _same_and_complete(out, fingerprint):
        return Output(out, store, plan, journal, record, complete=True)
    if store != out and out.exists():
        raise _in_the_way(out)
    if journal.exists:
        journal.check(fingerprint, out)
        return output
    if store.exists():
        if not _just_begun(store, fingerprint):
            raise _in_the_way(store)
        shutil.rmtree(store)
    _create(output, fingerprint)
    return output


def remove_output(out: Path) -> None:
    """Make room for a new output; only what is an image or a store is removed.

    Raises
    ------
    InputError
        ``out`` is a folder that is no Zarr store.
    """
    for path in (out, working_store(out), probabilities_path(out)):
        if path.is_dir():
            if not any((path / name).exists() for name in _ZARR_FILES):
                raise InputError(
                    f"'{path}' is a folder that is not a Zarr store; --overwrite does not remove "
                    "such folders. Give another --out."
                )
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def is_file_format(out: Path) -> bool:
    """Tell whether the output is a TIFF, NIfTI or PNG."""
    return out.name.lower().endswith(_FILE_SUFFIXES)


def working_store(out: Path) -> Path:
    """Name the folder in which the result of a file output grows."""
    return out.with_name(f".{out.name}.running.zarr")


def probabilities_path(out: Path) -> Path:
    """Name the OME-Zarr of the probabilities: beside the output."""
    base = out.name
    for suffix in (*_FILE_SUFFIXES, ".zarr", ".ome"):
        base = base[: -len(suffix)] if base.lower().endswith(suffix) else base
    return out.with_name(f"{base}_probabilities.ome.zarr")


def _store(plan: SegmentPlan, out: Path) -> Path:
    _check_name(out)
    if not is_file_format(out):
        return out
    volume = len(plan.region.shape) == 3 or plan.image.axes.has("t")
    if out.suffix.lower() == ".png" and volume:
        raise InputError(f"'{out}' is a PNG, which holds one plane; the result is a volume. "
                         "Give --out a name ending in .ome.zarr, .tif or .nii.gz.")  # fmt: skip
    return working_store(out)


def _check_name(out: Path) -> None:
    inside_store = any(part.lower().endswith(".zarr") for part in out.parts)
    if out.suffix and not inside_store and not is_file_format(out):
        raise InputError(
            f"'{out}' ends in '{out.suffix}', which is no format that is written. Give --out a "
            f"name ending in .ome.zarr, {', '.join(_FILE_SUFFIXES)}, or without a suffix."
        )


def _same_and_complete(out: Path, fingerprint: Fingerprint) -> bool:
    record = read_record(out) if out.exists() else None
    return (
        record is not None
        and record.get("status") == "complete"
        and record.get("fingerprint") == fingerprint.digest
    )


def _just_begun(store: Path, fingerprint: Fingerprint) -> bool:
    """Tell whether this very run was killed before its first block."""
    record = read_record(store)
    return record is not None and record.get("fingerprint") == fingerprint.digest


def _in_the_way(path: Path) -> ExistsError:
    return ExistsError(
        f"'{path}' exists and is not this run's. Give another --out, or --overwrite to replace it."
    )


def _create(output: Output, fingerprint: Fingerprint) -> None:
    plan, store = output.plan, output.store
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        create_output(
            store,
            _grid(plan, channels=0),
            kind="labels",
            classes=[c for c in plan.spec.classes if c.value],
            version=plan.version,
            attributes={"ziggurat": dict(output.record)},
        )
        if plan.probabilities:
            create_output(
                output.probabilities,
                _grid(plan, channels=len(plan.spec.classes)),
                kind="image",
                channels=[c.name for c in plan.spec.classes],
                version=plan.version,
                attributes={"ziggurat": dict(output.record)},
            )
        output.journal.begin(fingerprint)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise InputError(
            f"'{output.out}' cannot be written ({error.strerror or error}). Give an --out in a "
            "folder that you may write to."
        ) from error


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
    )


def _entry(block: Block, time: int) -> str:
    return f"{time}-{block.name}"
