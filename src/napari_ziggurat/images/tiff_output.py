"""OME-TIFF: labels with axes, spacing and the record of the run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.image import Image
from napari_ziggurat.images.units import OME_TIFF_UNITS

__all__ = ["read_tiff_record", "write_tiff"]

_NAMESPACE = "napari-ziggurat"
# Larger files need the 64-bit offsets of BigTIFF; compression makes the size unknown beforehand.
_BIG = 2**31


def write_tiff(path: Path, labels: Image, planes: Iterator[NDArray[Any]], record: str) -> None:
    """Write planes (t, z order) as one compressed OME-TIFF."""
    letters = ("t" if labels.times > 1 else "") + labels.axes.spatial
    shape = labels.levels[0].shape
    if labels.times > 1:
        shape = (labels.times, *shape)
    if labels.dtype.kind not in "biu" or labels.dtype.itemsize > 4:
        raise InputError(
            f"OME-TIFF holds integers of up to 32 bits; these labels are {labels.dtype}. "
            "Write .ome.zarr instead."
        )
    tifffile.imwrite(
        path,
        planes,
        shape=shape,
        dtype=labels.dtype,
        ome=True,
        bigtiff=int(np.prod(shape)) * labels.dtype.itemsize > _BIG,
        compression="zlib",
        photometric="minisblack",
        metadata={"axes": letters.upper(), **_sizes(labels), **_annotation(record)},
    )


def _sizes(labels: Image) -> dict[str, Any]:
    spacing = labels.levels[0].spacing
    unit = OME_TIFF_UNITS.get(spacing.unit or "")
    if unit is None:
        return {}
    sizes: dict[str, Any] = {}
    for letter, value in zip(labels.axes.spatial.upper(), spacing.values, strict=True):
        sizes |= {f"PhysicalSize{letter}": value, f"PhysicalSize{letter}Unit": unit}
    return sizes


def _annotation(record: str) -> dict[str, Any]:
    if not record:
        return {}
    return {"CommentAnnotation": {"Namespace": _NAMESPACE, "Value": record}}


def read_tiff_record(path: Path) -> str | None:
    """Find the record in the OME-XML of a TIFF."""
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    if not xml:
        return None
    for element in ElementTree.fromstring(xml).iter():
        if element.get("Namespace") == _NAMESPACE:
            return next((e.text for e in element if e.tag.endswith("Value")), None)
    return None
