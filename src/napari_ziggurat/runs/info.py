"""What an image is: a description for people and for programs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from napari_ziggurat.images.image import Image, Level

__all__ = ["describe", "render"]


def describe(image: Image) -> dict[str, Any]:
    """Describe an image as JSON; no voxel is read.

    Returns
    -------
    dict
        ``name``, ``path``, ``format``, ``axes`` (as stored), ``shape`` (spatial, of level 0),
        ``dtype``, ``channels``, ``times``, ``levels`` (``level``, ``shape``, ``spacing``,
        ``unit``, ``translation``) and ``bytes``: of all levels, uncompressed.
    """
    return {
        "name": image.name,
        "path": None if image.source is None else str(image.source),
        "format": image.format,
        "axes": image.axes.names,
        "shape": list(image.levels[0].shape),
        "dtype": image.dtype.name,
        "channels": list(image.channels),
        "times": image.times,
        "levels": [_describe_level(i, level) for i, level in enumerate(image.levels)],
        "bytes": _bytes(image),
    }


def _describe_level(number: int, level: Level) -> dict[str, Any]:
    return {
        "level": number,
        "shape": list(level.shape),
        "spacing": list(level.spacing.values),
        "unit": level.spacing.unit,
        "translation": list(level.translation),
    }


def _bytes(image: Image) -> int:
    voxels = sum(math.prod(level.shape) for level in image.levels)
    return voxels * image.dtype.itemsize * len(image.channels) * image.times


def render(description: Mapping[str, Any]) -> str:
    """Lay out what `describe` gives as lines of text."""
    rows = [
        ("image", description["path"] or description["name"]),
        ("format", description["format"]),
        ("axes", f"{description['axes']} (as stored)"),
        ("voxels", f"{description['dtype']}, {_size(description['bytes'])} uncompressed"),
        ("channels", _channels(description["channels"])),
        ("times", str(description["times"])),
        *(_level_row(level) for level in description["levels"]),
    ]
    lines = [f"{name:<9} {value}" for name, value in rows]
    if description["levels"][0]["unit"] is None:
        lines.append(
            "The file states no unit of length; say it with --spacing and --unit, for example "
            "--spacing 0.05,0.0046,0.0046 --unit um."
        )
    return "\n".join(lines)


def _channels(names: Sequence[str]) -> str:
    """Count channels and name the first few."""
    return f"{len(names)}: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"


def _level_row(level: Mapping[str, Any]) -> tuple[str, str]:
    shape = " x ".join(map(str, level["shape"]))
    spacing = " x ".join(f"{value:.4g}" for value in level["spacing"])
    return f"level {level['level']}", f"{shape}, voxel {spacing} {level['unit'] or '(no unit)'}"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
