"""Labels as TIFF, NIfTI or PNG, for sources that are such files; the record of a run in them."""

import json
import logging
import math
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images.files import open_image
from napari_ziggurat.images.image import Image
from napari_ziggurat.images.nifti import MOST_ALONG_AXIS, read_nifti_record, write_nifti
from napari_ziggurat.images.pictures import read_picture_record, write_png
from napari_ziggurat.images.source import Source, Url, to_source
from napari_ziggurat.images.tiff_output import read_tiff_record, write_tiff
from napari_ziggurat.images.zarr_output import read_attributes

__all__ = ["check_format", "export_labels", "export_memory", "read_record"]

logger = logging.getLogger(__name__)

Voxels = NDArray[Any]

# Voxels of planes that are held at once, also where the chunks of the store are deeper.
_HELD = 2**28


def export_labels(
    store: Path, out: Path, like: Image, record: Mapping[str, Any] | None = None
) -> None:
    """Write the finest level of a label store as one file.

    Parameters
    ----------
    store : Path
        Labels as OME-Zarr.
    out : Path
        ``.tif`` or ``.tiff`` (OME-TIFF with axes and spacing), ``.nii`` or ``.nii.gz`` (with the
        affine of the source), or ``.png`` (2D). It replaces what is there, in one step.
    like : Image
        The image that was segmented.
    record : mapping, optional
        How the labels were made; stored inside the file, see `read_record`.

    Raises
    ------
    InputError
        The labels do not fit into the format.
    """
    labels = open_image(store)
    check_format(out, labels.levels[0].shape, labels.times)
    text = json.dumps(dict(record)) if record else ""
    # The suffix stays last: the libraries choose compression by it.
    partial = out.with_name(f".partial-{uuid.uuid4().hex[:8]}-{out.name}")
    try:
        _writer_for(out)(labels, partial, like, text)
        partial.replace(out)
    except OSError as error:
        raise InputError(f"Output {out} cannot be written: {error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def check_format(out: Path, shape: tuple[int, ...], times: int = 1) -> None:
    """Refuse a file that cannot hold labels of a shape ((Z), Y, X).

    Raises
    ------
    InputError
        The suffix is unknown, PNG would hold more than one plane, or NIfTI too long an axis.
    """
    _writer_for(out)
    name = out.name.lower()
    if name.endswith(".png") and (len(shape) > 2 or times > 1):
        raise InputError(
            f"PNG holds one plane; '{out}' would hold {times} volume(s) of shape {shape}. "
            "Write .tif or .ome.zarr instead."
        )
    if name.endswith((".nii", ".nii.gz")) and max(*shape, times) > MOST_ALONG_AXIS:
        raise InputError(
            f"NIfTI holds at most {MOST_ALONG_AXIS} voxels per axis; '{out}' would hold labels of "
            f"shape {shape} at {times} time(s). Write .ome.zarr instead."
        )


def export_memory(shape: tuple[int, ...]) -> int:
    """Bytes that an export of uint8 labels ((Z), Y, X) holds: some planes, as read and as sent."""
    plane = math.prod(shape[-2:])
    return 2 * max(plane, min(_HELD, math.prod(shape)))


def read_record(path: str | os.PathLike[str] | Url) -> dict[str, Any] | None:
    """Read how labels were made, from any format that is written here.

    None where nothing is said, also for files that are no labels of ours or cannot be read.

    Raises
    ------
    MissingError
        There is nothing at the path.
    """
    path = to_source(path)
    if isinstance(path, Path) and not path.exists():
        raise MissingError(f"There is no file {path}.")
    try:
        record = json.loads(_record_text(path) or "null")
    # Whatever a library says of somebody else's file: there is no record in it.
    except Exception as error:
        logger.debug("no record in %s: %s", path, error)
        return None
    return record if isinstance(record, dict) else None


def _record_text(path: Source) -> str | None:
    if isinstance(path, Url) or path.is_dir():
        return json.dumps(read_attributes(path).get("ziggurat"))
    name = path.name.lower()
    if name.endswith((".tif", ".tiff")):
        return read_tiff_record(path)
    if name.endswith((".nii", ".nii.gz")):
        return read_nifti_record(path)
    return read_picture_record(path) if name.endswith(".png") else None


Writer = Callable[[Image, Path, Image, str], None]


def _writer_for(out: Path) -> Writer:
    name = out.name.lower()
    if name.endswith((".tif", ".tiff")):
        return _write_tiff
    if name.endswith((".nii", ".nii.gz")):
        return _write_nifti
    if name.endswith(".png"):
        return _write_png
    raise InputError(
        f"Labels are written as .ome.zarr, .tif, .nii, .nii.gz or .png; got {out.name}."
    )


def _write_tiff(labels: Image, path: Path, like: Image, text: str) -> None:
    del like
    write_tiff(path, labels, _planes(labels), text)


def _write_nifti(labels: Image, path: Path, like: Image, text: str) -> None:
    write_nifti(path, labels, _planes(labels), like, text)


def _write_png(labels: Image, path: Path, like: Image, text: str) -> None:
    del like
    write_png(path, _whole(labels, 0), text)


def _whole(labels: Image, time: int) -> Voxels:
    """All voxels of one time point, ((Z), Y, X)."""
    voxels: Voxels = labels.read(0, Box.whole(labels.levels[0].shape), time)[0]
    return voxels


def _planes(labels: Image) -> Iterator[Voxels]:
    """Planes in the order t, z; a few planes are held at once."""
    shape = labels.levels[0].shape
    if labels.dims == 2:
        for time in range(labels.times):
            yield _whole(labels, time)
        return
    depth = max(1, min(labels.stored_chunk(0)[0], _HELD // math.prod(shape[1:])))
    for time in range(labels.times):
        for start in range(0, shape[0], depth):
            box = Box((start, 0, 0), (min(start + depth, shape[0]), *shape[1:]))
            yield from labels.read(0, box, time)[0]
