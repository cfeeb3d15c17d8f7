"""What a model is: a description for people and for programs; its weights are not read."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeGuard

from napari_ziggurat.geometry import Spacing
from napari_ziggurat.images import Source
from napari_ziggurat.networks import read_spec

__all__ = ["describe_model", "is_model", "render_model"]


def is_model(source: Source) -> TypeGuard[Path]:
    """Tell whether a source is the folder of a model."""
    return isinstance(source, Path) and (source / "model.json").is_file()


def describe_model(folder: Path) -> dict[str, Any]:
    """Describe a model as JSON.

    Returns
    -------
    dict
        ``path``, ``format`` (``"model"``), ``task``, ``classes`` (``value``, ``name``, ``color``),
        ``shapes`` (what the channels after those of the classes tell of objects), ``network``,
        ``dims``, ``channels``, ``axes``, ``spacing``, ``unit``, ``window`` and ``rim``.

    Raises
    ------
    InputError
        The folder does not describe a model that is known here.
    """
    spec = read_spec(folder)
    return {
        "path": str(folder),
        "format": "model",
        "task": spec.task,
        "classes": [asdict(each) for each in spec.classes],
        "shapes": list(spec.shapes),
        "network": spec.network.name,
        "dims": spec.dims,
        "channels": list(spec.channels),
        "axes": spec.axes,
        "spacing": list(spec.spacing),
        "unit": spec.unit,
        "window": list(spec.window),
        "rim": list(spec.rim),
    }


def render_model(description: Mapping[str, Any]) -> str:
    """Lay out what `describe_model` gives as lines of text."""
    said = description
    spacing = Spacing(tuple(said["spacing"]), said["unit"])
    rows = [
        ("model", said["path"]),
        ("task", said["task"]),
        ("classes", ", ".join(f"{c['value']} {c['name']}" for c in said["classes"])),
        ("shapes", ", ".join(said["shapes"]) or "none: it tells no objects apart"),
        ("network", f"{said['network']}, {said['dims']}D"),
        ("channels", f"{len(said['channels'])}: {', '.join(said['channels'])}"),
        ("axes", said["axes"]),
        ("spacing", str(spacing)),
        ("window", f"{_by(said['window'])}, of which {_by(said['rim'])} at each side are a rim"),
    ]
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def _by(sizes: list[int]) -> str:
    return " x ".join(map(str, sizes))
