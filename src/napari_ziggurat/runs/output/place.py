"""Place: where an output may lie, under which names, and what may be removed for it."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.images import Source, read_record
from napari_ziggurat.images.export import check_format, export_memory
from napari_ziggurat.images.zarr_output import check_removable, holds_image
from napari_ziggurat.runs.plan.cost import gigabytes

if TYPE_CHECKING:
    from napari_ziggurat.runs.plan.plan import SegmentPlan

__all__ = [
    "PROBABILITIES",
    "check_apart",
    "check_place",
    "clear",
    "coarse_folder",
    "coarse_store",
    "disk_words",
    "is_file_format",
    "is_probabilities",
    "make_folder",
    "probabilities_path",
    "working_store",
]

PROBABILITIES = "probabilities"
_FILE_SUFFIXES = (".tif", ".tiff", ".nii", ".nii.gz", ".png")


def is_file_format(out: Path) -> bool:
    """Tell whether the output is a TIFF, NIfTI or PNG."""
    return out.name.lower().endswith(_FILE_SUFFIXES)


def working_store(out: Path) -> Path:
    """Name the folder in which the result of a file output grows."""
    return out.with_name(f".{out.name}.running.zarr")


def coarse_folder(out: Path) -> Path:
    """Name the folder in which coarser levels are kept until an output is finished."""
    return out.with_name(f".{out.name}.levels")


def coarse_store(out: Path, level: int) -> Path:
    """Name the working store of a coarser level of the image; its probabilities lie beside it."""
    return coarse_folder(out) / f"{level}.ome.zarr"


def probabilities_path(out: Path) -> Path:
    """Name the OME-Zarr of the probabilities: beside the output."""
    base = out.name
    for suffix in (*_FILE_SUFFIXES, ".zarr", ".ome"):
        base = base[: -len(suffix)] if base.lower().endswith(suffix) else base
    return out.with_name(f"{base}_{PROBABILITIES}.ome.zarr")


def is_probabilities(path: Source) -> bool:
    """Tell whether a local store holds probabilities that a run wrote beside its labels."""
    record = read_record(path) if isinstance(path, Path) and path.is_dir() else None
    return record is not None and record.get("content") == PROBABILITIES


def check_place(plan: "SegmentPlan", out: Path, memory: int | None = None) -> None:
    """Refuse a name, a format or a place that cannot take the result; nothing is touched.

    Parameters
    ----------
    plan : SegmentPlan
        What is written.
    out : Path
        Where to.
    memory : int, optional
        Bytes that may be used; what is available by default.

    Raises
    ------
    InputError
        The format is unknown or cannot hold the result, the place is the input or lies inside an
        image, or its disk has no room.
    """
    check_apart(out, plan.image.source)
    _check_name(out)
    if is_file_format(out):
        _check_levels(plan, out)
        check_format(out, plan.region.shape, plan.times)
        _check_export(plan, out, memory)
    if plan.probabilities:
        check_apart(probabilities_path(out), plan.image.source)
    _check_disk(plan, out)


def disk_words(out: Path) -> str:
    """Say how much room there is for an output."""
    return f"{gigabytes(_free_disk(out))} free on the disk of '{out}'"


def clear(out: Path, stores: Iterable[Path]) -> None:
    """Make room at an output that is to be replaced; what cannot be replaced is refused first.

    A file is left where it is: the new one replaces it when it is finished.

    Raises
    ------
    InputError
        Something there is not an image alone, or the folder cannot be written.
    """
    _check_writable(out)
    if is_file_format(out) and out.is_dir():
        raise InputError(f"'{out}' is a folder; --overwrite does not remove it.")
    there = [store for store in stores if store.exists()]
    for store in there:
        _check_replaceable(store, out)
    for store in there:
        _remove(store)


def _remove(store: Path) -> None:
    """Remove a store under another name: half of one must not look like a finished output."""
    hidden = store.with_name(f".{store.name}.removed")
    if hidden.exists():  # of a process that was killed here
        shutil.rmtree(hidden)
    store.rename(hidden)
    shutil.rmtree(hidden)


def _check_replaceable(store: Path, out: Path) -> None:
    if store == working_store(out):
        return
    check_removable(store)
    # The person has named the labels, not the probabilities beside them.
    if store != out and "fingerprint" not in (read_record(store) or {}):
        raise ExistsError(
            f"'{store}' exists, and no run wrote it; --overwrite does not remove it. "
            "Give another --out, or move it away."
        )


def _check_writable(out: Path) -> None:
    folder = _nearest_folder(out)
    if not os.access(folder, os.W_OK):
        raise InputError(
            f"'{out}' cannot be written ({folder} may not be changed by this user). Give an --out "
            "in a folder that you may write to."
        )


def _check_name(out: Path) -> None:
    inside_store = any(part.lower().endswith(".zarr") for part in out.parts)
    if out.suffix and not inside_store and not is_file_format(out):
        raise InputError(
            f"'{out}' ends in '{out.suffix}', which is no format that is written. Give --out a "
            f"name ending in .ome.zarr, {', '.join(_FILE_SUFFIXES)}, or without a suffix."
        )


def _check_levels(plan: "SegmentPlan", out: Path) -> None:
    if len(plan.levels) > 1:
        raise InputError(
            f"'{out}' holds one level, and --all-scales gives {len(plan.levels)}. Give --out a "
            "name ending in .ome.zarr, or leave --all-scales out."
        )


def _check_disk(plan: "SegmentPlan", out: Path) -> None:
    """Refuse a run whose output, even well compressed, cannot fit on the disk."""
    free = _free_disk(out)
    if plan.cost.output / 20 > free:
        raise InputError(
            f"The output needs up to {gigabytes(plan.cost.output)} and the disk of '{out}' has "
            f"{gigabytes(free)} free. Make room, or give a --box or a coarser --level."
        )


def _free_disk(out: Path) -> int:
    return shutil.disk_usage(_nearest_folder(out)).free


def _nearest_folder(out: Path) -> Path:
    """Give the nearest folder above an output that exists."""
    return next(folder for folder in out.absolute().parents if folder.exists())


def _check_export(plan: "SegmentPlan", out: Path, memory: int | None) -> None:
    needed = export_memory(plan.region.shape)
    limit = memory if memory is not None else psutil.virtual_memory().available
    if needed > limit:
        raise InputError(
            f"Writing '{out}' needs about {needed / 1e9:.1f} GB for whole planes and "
            f"{limit / 1e9:.1f} GB may be used. Give --out a name ending in .ome.zarr, or more "
            "--memory."
        )


def check_apart(out: Path, source: Source | None) -> None:
    """Refuse an output that would replace its input, or change an image from the inside."""
    here = out.resolve()
    if isinstance(source, Path):
        there = source.resolve()
        if there == here:
            raise InputError(f"The output '{out}' is the input itself. Give another --out.")
        if there.is_relative_to(here):
            raise InputError(f"The output '{out}' holds the input '{source}'. Give another --out.")
    for folder in here.parents:
        labels = here.parent == folder / "labels"
        if holds_image(folder) and not labels:
            raise InputError(
                f"'{out}' lies inside the image '{folder}'. Give another --out; labels of an "
                f"image go to '{folder / 'labels' / 'NAME'}'."
            )


def make_folder(path: Path) -> None:
    """Make the folder of a run that writes several files, unless it is there.

    Raises
    ------
    InputError
        The system refuses it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be made ({error.strerror}). Give an --out in a folder that you may "
            "write to."
        ) from error
