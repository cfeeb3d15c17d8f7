"""OME-Zarr 0.4 and 0.5, and plain zarr arrays: reading. Metadata goes through yaozarrs."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import zarr
from yaozarrs import v04, v05

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.source import Source, Url
from napari_ziggurat.images.stored import Stored
from napari_ziggurat.images.units import convert_length, short_unit
from napari_ziggurat.images.zarr_array import ZarrArray

__all__ = ["image_attributes", "ome_version", "read_zarr"]

Multiscale = v04.Multiscale | v05.Multiscale


def read_zarr(path: Source) -> Stored:
    """Read the metadata of an OME-Zarr image, or of a single zarr array."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # files beside the arrays, units that the standard does not list
        return _read_node(path)


def _read_node(path: Source) -> Stored:
    node = _open_node(path)
    if isinstance(node, zarr.Array):
        return _read_array(node)
    attributes = dict(node.attrs)
    version = ome_version(attributes)
    if version is None:
        raise InputError(_what_to_open(path, node, attributes))
    multiscale = _multiscale(image_attributes(attributes), version, path)
    arrays = tuple(_level_array(node, dataset.path, path) for dataset in multiscale.datasets)
    _check_axes(multiscale, arrays, path)
    return _stored(multiscale, arrays, image_attributes(attributes), version)


def _open_node(path: Source) -> Any:
    if isinstance(path, Url):
        from napari_ziggurat.images.remote import open_node

        return open_node(path)
    # The copy of all metadata that some stores keep is passed by: it may be older than they are.
    return zarr.open(path, mode="r", use_consolidated=False)


def ome_version(attributes: Mapping[str, Any]) -> str | None:
    """Version of the OME-Zarr metadata of an image group; None when it is no image."""
    if "multiscales" in attributes.get("ome", {}):
        return str(attributes["ome"].get("version", "0.5"))
    if attributes.get("multiscales"):
        return str(attributes["multiscales"][0].get("version", "0.4"))
    return None


def image_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the part of a group's attributes that holds ``multiscales``."""
    found: Mapping[str, Any] = attributes.get("ome", attributes)
    return found


def _read_array(array: Any) -> Stored:
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS") or [None] * array.ndim
    letters = "".join(_plain_letter(name) for name in names)
    silent = len(set(letters)) < len(letters) or "?" in letters
    return Stored("zarr array", (ZarrArray(array),), None if silent else letters)


def _plain_letter(name: object) -> str:
    text = str(name).lower()
    return text if len(text) == 1 and text in "tczyx" else "?"


def _multiscale(attributes: Mapping[str, Any], version: str, path: Source) -> Multiscale:
    models: dict[str, type[Multiscale]] = {"0.4": v04.Multiscale, "0.5": v05.Multiscale}
    model = models.get(version)
    if model is None:
        raise InputError(
            f"{path} is OME-Zarr {version}; versions 0.4 and 0.5 can be read. Convert it, or open "
            f"one of its arrays (such as {path / '0'}) with --axes and --spacing."
        )
    try:
        return model(**attributes["multiscales"][0])
    except ValueError as error:
        raise InputError(
            f"{path} has OME-Zarr metadata that does not follow the standard: {_problem(error)}. "
            f"Mend it, or open one of its arrays (such as {path / '0'}) with --axes and --spacing."
        ) from error


def _problem(error: Any) -> str:
    """First problem that the models of yaozarrs (pydantic) list."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "multiscales"
    return f"{where}: {str(first['msg']).splitlines()[0].rstrip('.')}"


def _level_array(group: Any, name: str, path: Source) -> ZarrArray:
    try:
        array = group[name]
    except KeyError:
        raise InputError(
            f"{path} lists a level '{name}' in its metadata, but there is no such array; the copy "
            "is incomplete."
        ) from None
    if not isinstance(array, zarr.Array):
        raise InputError(f"{path} lists '{name}' as a level, but it is a group, not an array.")
    return ZarrArray(array)


def _check_axes(multiscale: Multiscale, arrays: Sequence[ZarrArray], path: Source) -> None:
    if any(len(array.shape) != len(multiscale.axes) for array in arrays):
        raise InputError(
            f"{path} names {len(multiscale.axes)} axes in its metadata, but its arrays have "
            f"{len(arrays[0].shape)}; mend the metadata."
        )


def _stored(
    multiscale: Multiscale,
    arrays: tuple[ZarrArray, ...],
    attributes: Mapping[str, Any],
    version: str,
) -> Stored:
    letters = "".join(_axis_letter(axis) for axis in multiscale.axes)
    unit = _common_unit(multiscale)
    factors = _to_unit(multiscale, unit)
    scales, offsets = [], []
    for dataset in multiscale.datasets:
        scale, offset = _compose(dataset, multiscale, len(letters))
        scales.append(dict(zip(letters, map(_times, scale, factors), strict=True)))
        offsets.append(dict(zip(letters, map(_times, offset, factors), strict=True)))
    return Stored(
        f"OME-Zarr {version}",
        arrays,
        letters,
        scales=tuple(scales),
        offsets=tuple(offsets),
        unit=unit,
        channels=_channel_labels(attributes),
    )


def _axis_letter(axis: Any) -> str:
    """Letter of an axis: by its type where the standard has one, by its name otherwise."""
    kind = getattr(axis, "type", None)
    return {"time": "t", "channel": "c"}.get(kind or "", _plain_letter(axis.name))


def _common_unit(multiscale: Multiscale) -> str | None:
    units = {a.name: short_unit(a.unit) for a in multiscale.axes if _axis_letter(a) in "zyx"}
    return next((unit for unit in reversed(units.values()) if unit is not None), None)


def _to_unit(multiscale: Multiscale, unit: str | None) -> list[float]:
    """Factor that brings each axis to the common unit; 1 where there is nothing to convert."""
    return [
        (convert_length(1.0, short_unit(a.unit), unit) or 1.0) if _axis_letter(a) in "zyx" else 1.0
        for a in multiscale.axes
    ]


def _times(a: float, b: float) -> float:
    return a * b


def _compose(dataset: Any, multiscale: Multiscale, ndim: int) -> tuple[list[float], list[float]]:
    """Scale and translation of a level: its own transformations, then those of the whole image."""
    scale, offset = [1.0] * ndim, [0.0] * ndim
    for step in (*dataset.coordinateTransformations, *(multiscale.coordinateTransformations or ())):
        if step.type == "scale":
            scale = [a * b for a, b in zip(scale, step.scale, strict=True)]
            offset = [a * b for a, b in zip(offset, step.scale, strict=True)]
        else:
            offset = [a + b for a, b in zip(offset, step.translation, strict=True)]
    return scale, offset


def _channel_labels(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Channel names of the rendering hints, which other programs write as they please."""
    try:
        labels = [channel.get("label") for channel in attributes["omero"]["channels"]]
    except (KeyError, TypeError, AttributeError):
        return ()
    return tuple(str(label) for label in labels) if all(labels) else ()


def _what_to_open(path: Source, group: Any, attributes: Mapping[str, Any]) -> str:
    """Say what the group is and which path inside it is an image."""
    attributes = {**attributes, **attributes.get("ome", {})}
    if "bioformats2raw.layout" in attributes:
        return _choose(path, "holds several images (bioformats2raw layout)", _images_in(group))
    if "plate" in attributes:
        wells = attributes["plate"].get("wells", [])
        return _choose(path, "is a plate", [f"{well['path']}/0" for well in wells])
    if "well" in attributes:
        fields = attributes["well"].get("images", [])
        return _choose(path, "is a well", [field["path"] for field in fields])
    if "labels" in attributes:
        return _choose(path, "is a group of label images", list(attributes["labels"]))
    arrays = sorted(name for name, _ in group.arrays())
    if arrays:
        hint = "open one of its arrays and say its axes, for example"
        return (
            f"{path} is a zarr group without OME-Zarr metadata (multiscales); {hint}: "
            f"{path / arrays[0]} --axes {_axes_for(group[arrays[0]].ndim)}."
        )
    return _choose(
        path, "is a zarr group without OME-Zarr metadata (multiscales)", _images_in(group)
    )


def _axes_for(ndim: int) -> str:
    return {2: "yx", 3: "zyx", 4: "czyx"}.get(ndim, "tczyx")


def _images_in(group: Any) -> list[str]:
    return sorted(name for name, child in group.groups() if ome_version(dict(child.attrs)))


def _choose(path: Source, what: str, names: Sequence[str]) -> str:
    if not names:
        return f"{path} {what}, and no image was found in it; name the path of an image."
    listed = ", ".join(str(path / name) for name in names[:5])
    return f"{path} {what}; open one image: {listed}{', ...' if len(names) > 5 else ''}."
