"""What TIFF files state about themselves: completeness, voxel size, channel names."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

import tifffile

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.units import convert_length, short_unit

__all__ = ["TiffFacts", "check_complete", "imagej_facts", "ome_facts"]

# Bytes of one value by TIFF's type number.
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8} | {
    13: 4, 16: 8, 17: 8, 18: 8
}  # fmt: skip


@dataclass(frozen=True)
class TiffFacts:
    """Format, size of a voxel per axis letter (empty: not stated), its unit, channel names."""

    format: str
    scale: Mapping[str, float] = field(default_factory=dict)
    unit: str | None = None
    channels: tuple[str, ...] = ()


def ome_facts(xml: str) -> TiffFacts:
    """Read voxel size and channel names of the first image in OME-XML."""
    pixels = next(
        (e for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Pixels")), None
    )
    if pixels is None:
        return TiffFacts("OME-TIFF")
    scale, unit = _ome_scale(pixels.attrib)
    names = [e.get("Name") for e in pixels if e.tag.endswith("}Channel")]
    channels = tuple(str(name) for name in names) if all(names) else ()
    return TiffFacts("OME-TIFF", scale, unit, channels)


def _ome_scale(pixels: Mapping[str, str]) -> tuple[dict[str, float], str | None]:
    """Sizes of all axes in the unit of x."""
    unit = short_unit(pixels.get("PhysicalSizeXUnit", "um"))  # the schema's default
    scale = {}
    for letter in "zyx":
        size = pixels.get(f"PhysicalSize{letter.upper()}")
        own = short_unit(pixels.get(f"PhysicalSize{letter.upper()}Unit", "um"))
        value = None if size is None else convert_length(float(size), own, unit)
        if value is not None and value > 0:
            scale[letter] = value
    return scale, unit


def imagej_facts(tif: tifffile.TiffFile | None) -> TiffFacts:
    """Read voxel size from ImageJ's description; None stands for a plain TIFF."""
    if tif is None:
        return TiffFacts("TIFF")
    said = tif.imagej_metadata or {}
    unit = short_unit(str(said.get("unit", "")))
    tags = tif.pages.first.tags
    x, y = (_pixel_size(tags, f"{letter}Resolution") for letter in "XY")
    if unit is None or x is None or y is None:
        return TiffFacts("ImageJ TIFF")
    # ImageJ leaves out a z step of 1.
    z = float(said.get("spacing", 1.0))
    return TiffFacts("ImageJ TIFF", {"z": abs(z) or 1.0, "y": y, "x": x}, unit)


def _pixel_size(tags: Any, name: str) -> float | None:
    numerator, denominator = tags.valueof(name, (0, 0))
    return denominator / numerator if numerator and denominator else None


def check_complete(path: Path) -> None:
    """Refuse a TIFF whose pages lead past the end of the file.

    A library that reads such a file may show the pages that are left as if they were all.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        order = {b"II": "<", b"MM": ">"}.get(file.read(2))
        if order is None:
            raise InputError(f"{path} is no TIFF: it does not start as one.")
        try:
            complete = all(end <= size for end in _ends(file, order))
        except struct.error:  # a page header is missing or in parts
            complete = False
    if not complete:
        raise InputError(
            f"{path} is cut off: it has {size} bytes, and its pages lead past them; copy it again."
        )


@dataclass(frozen=True)
class _Layout:
    """How the headers of a TIFF are laid out: struct formats, and the bytes a tag holds itself."""

    pointer: str
    count: str
    tag: str
    inside: int


def _ends(file: BinaryIO, order: str) -> Iterator[int]:
    """Walk along the chain of pages; give where the value of each tag ends."""
    if _read(file, order + "H") == 43:  # BigTIFF
        layout = _Layout(order + "Q", order + "Q", order + "HHQQ", 8)
        file.seek(8)
    else:
        layout = _Layout(order + "I", order + "H", order + "HHII", 4)
    offset = _read(file, layout.pointer)
    seen: set[int] = set()
    while offset and offset not in seen:
        seen.add(offset)
        file.seek(offset)
        tags = file.read(_read(file, layout.count) * struct.calcsize(layout.tag))
        for _, kind, count, value in struct.iter_unpack(layout.tag, tags):
            length = _TYPE_SIZES.get(kind, 1) * count
            yield value + length if length > layout.inside else 0
        offset = _read(file, layout.pointer)


def _read(file: BinaryIO, layout: str) -> int:
    return int(struct.unpack(layout, file.read(struct.calcsize(layout)))[0])
