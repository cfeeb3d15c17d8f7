"""OME-Zarr metadata that is written, 0.4 and 0.5, built and checked with yaozarrs."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from yaozarrs import v04, v05

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.images.grid import OutputGrid
from napari_ziggurat.images.units import long_unit

__all__ = ["Kind", "Version", "class_attributes", "group_attributes", "labels_attributes"]

Kind = Literal["labels", "image"]
Version = Literal["0.4", "0.5"]

_MODULES: dict[str, Any] = {"0.4": v04, "0.5": v05}
_AXIS_TYPES = {"t": "time", "c": "channel"}
_METHODS = {"labels": "majority", "image": "mean"}


def group_attributes(
    grids: Sequence[OutputGrid],
    kind: Kind,
    classes: Sequence[LabelClass],
    channels: Sequence[str],
    version: Version,
    names: Mapping[str, str],
) -> dict[str, Any]:
    """Attributes of an image group.

    Parameters
    ----------
    grids : sequence of OutputGrid
        One per level, finest first.
    kind : {"labels", "image"}
        Labels get ``image-label`` with colours and class names, images get channel names.
    classes : sequence of LabelClass
        Classes of the labels, or of the channels of probabilities.
    channels : sequence of str
        Channel names of an image.
    version : {"0.4", "0.5"}
        Version of OME-Zarr.
    names : mapping
        ``"name"`` of the image and, for labels inside an image, ``"source"``: the path to it.

    Returns
    -------
    dict
        Attributes of the zarr group.
    """
    models = _MODULES[version]
    content: dict[str, Any] = {"multiscales": [_multiscale(grids, kind, names["name"])]}
    if version == "0.5":
        content["version"] = version
    if kind == "labels":
        content["image-label"] = _image_label(classes, version, names.get("source"))
    elif channels:
        content["omero"] = {"channels": _omero_channels(grids[0], classes, channels)}
    model = models.LabelImage if kind == "labels" else models.Image
    checked = _dump(model, content)
    if "image-label" in content:
        # yaozarrs drops what it does not know: the names of the classes.
        checked["image-label"] = content["image-label"]
    return {"ome": checked} if version == "0.5" else checked


def class_attributes(classes: Sequence[LabelClass]) -> dict[str, Any]:
    """Names and colours of classes as ``image-label`` holds them; nothing where there are none."""
    if not classes:
        return {}
    return {
        "colors": [{"label-value": c.value, "rgba": _rgba(c)} for c in classes],
        "properties": [{"label-value": c.value, "name": c.name} for c in classes],
    }


def labels_attributes(names: Sequence[str], version: Version) -> dict[str, Any]:
    """Attributes of the group ``labels/`` that lists the label images of an image."""
    content = {"labels": list(names)}
    if version == "0.5":
        return {"ome": {"version": version, **content}}
    return content


def _dump(model: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units that the standard does not list are allowed
        checked = model.model_validate(content)
    dumped: dict[str, Any] = checked.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


def _multiscale(grids: Sequence[OutputGrid], kind: Kind, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "axes": [_axis(letter, grids[0].spacing.unit) for letter in grids[0].axes.names],
        "datasets": [
            {"path": str(i), "coordinateTransformations": _transformations(grid)}
            for i, grid in enumerate(grids)
        ],
        "type": _type(grids[0], kind),
    }


def _type(finest: OutputGrid, kind: Kind) -> str:
    """Say how the levels came about."""
    if not finest.pyramid:
        return "painted"
    return _METHODS[kind] if not finest.downsamplings else f"predicted, {_METHODS[kind]}"


def _axis(letter: str, unit: str | None) -> dict[str, str]:
    axis = {"name": letter, "type": _AXIS_TYPES.get(letter, "space")}
    if axis["type"] == "space" and unit is not None:
        axis["unit"] = str(long_unit(unit))
    return axis


def _transformations(grid: OutputGrid) -> list[dict[str, Any]]:
    scale = {"type": "scale", "scale": grid.on_axes(grid.spacing.values, 1.0)}
    offset = {"type": "translation", "translation": grid.on_axes(grid.translation, 0.0)}
    return [scale, offset] if any(grid.translation) else [scale]


def _image_label(
    classes: Sequence[LabelClass], version: Version, source: str | None
) -> dict[str, Any]:
    content: dict[str, Any] = {"version": version, **class_attributes(classes)}
    if source is not None:
        content["source"] = {"image": source}
    return content


def _rgba(label_class: LabelClass) -> list[int]:
    """Colour of a class; background is transparent."""
    rgb = bytes.fromhex(label_class.color.removeprefix("#"))
    return [*rgb, 255 if label_class.value else 0]


def _omero_channels(
    grid: OutputGrid, classes: Sequence[LabelClass], channels: Sequence[str]
) -> list[dict[str, Any]]:
    low, high = _value_range(grid.dtype)
    window = {"start": low, "min": low, "end": high, "max": high}
    colors = [c.color.removeprefix("#") for c in classes]
    if len(colors) != len(channels):
        colors = ["FFFFFF"] * len(channels)
    return [
        {"label": name, "color": color, "window": window, "active": True}
        for name, color in zip(channels, colors, strict=True)
    ]


def _value_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Range that is shown; real numbers that are written are probabilities."""
    if dtype.kind == "f":
        return 0.0, 1.0
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)
