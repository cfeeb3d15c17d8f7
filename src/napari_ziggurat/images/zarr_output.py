"""Create and complete OME-Zarr outputs, standing alone or inside the labels of their image."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import zarr
from zarr.codecs import ZstdCodec

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import ExistsError, InputError, MissingError
from napari_ziggurat.images.files import is_zarr, stem
from napari_ziggurat.images.grid import OutputGrid
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.images.ome_zarr import image_attributes, ome_version
from napari_ziggurat.images.source import Source, Url
from napari_ziggurat.images.zarr_metadata import (
    Kind,
    Version,
    group_attributes,
    labels_attributes,
)

__all__ = [
    "check_removable",
    "create_output",
    "holds_image",
    "open_output",
    "read_attributes",
    "write_attributes",
]

_GROUP_MARKS = ("zarr.json", ".zgroup")


@dataclass(frozen=True)
class _Place:
    """Where an output goes: its version, and the image that it belongs to, if any."""

    path: Path
    version: Version
    source: Path | None

    @property
    def zarr_format(self) -> Literal[2, 3]:
        return 3 if self.version == "0.5" else 2


def create_output(
    path: Path,
    grid: OutputGrid,
    *,
    kind: Kind,
    classes: Sequence[LabelClass] = (),
    channels: Sequence[str] = (),
    version: Version = "0.5",
    attributes: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Create a multiscale image without voxels; its metadata is complete from the start.

    Shards are written whole, ``array[slices] = block``: a shard is renamed into place when it is
    finished, so a process that is killed leaves no torn one.

    Parameters
    ----------
    path : Path
        Folder to create. ``IMAGE.zarr/labels/NAME`` makes the output a label image of that image:
        it is listed there, refers to it, and has its version of OME-Zarr.
    grid : OutputGrid
        The finest level; coarser ones follow from its spacing.
    kind : {"labels", "image"}
        What is written.
    classes : sequence of LabelClass
        Classes with their colours.
    channels : sequence of str
        Channel names of an image.
    version : {"0.5", "0.4"}
        0.5 is zarr v3 with shards, 0.4 is zarr v2 with chunks.
    attributes : mapping, optional
        Further attributes of the group, such as ``{"ziggurat": {"status": "running"}}``.

    Returns
    -------
    list of zarr.Array
        The levels, finest first.

    Raises
    ------
    ExistsError
        There is something at ``path``.
    InputError
        The folder cannot be written.
    """
    place = _place(path, version)
    grids = [level.fitted() for level in grid.levels]
    names = {"name": stem(path)} | ({"source": "../../"} if place.source else {})
    content = group_attributes(grids, kind, classes, channels, place.version, names)
    try:
        arrays = _create_arrays(place, grids, {**content, **(attributes or {})})
        if place.source is not None and kind == "labels":
            _list_labels(place)
    except OSError as error:
        raise InputError(f"Output {path} cannot be written: {error}.") from error
    return arrays


def open_output(path: Path) -> list[Any]:
    """Open the levels of an output for writing, finest first."""
    group = _open_group(path)
    datasets = image_attributes(dict(group.attrs))["multiscales"][0]["datasets"]
    return [group[dataset["path"]] for dataset in datasets]


def read_attributes(path: Source) -> dict[str, Any]:
    """Read the attributes of an output's group, or of what lies at a URL."""
    if isinstance(path, Url):
        from napari_ziggurat.images.remote import open_node

        return dict(open_node(path).attrs)
    return dict(_open_group(path, mode="r").attrs)


def write_attributes(path: Path, attributes: Mapping[str, Any]) -> None:
    """Merge attributes into those of an output's group; the file is replaced in one step."""
    group = _open_group(path)
    group.update_attributes(_merged(dict(group.attrs), attributes))
    source = _source_of(path)
    if source is not None:
        _refresh_consolidated(source)


def holds_image(path: Path) -> bool:
    """Tell whether a folder is a zarr array or an OME-Zarr image; a plain group is neither."""
    return _is_array(path) or _is_image(path)


def check_removable(path: Path) -> None:
    """Refuse to remove anything but a store that holds one OME-Zarr image and nothing else.

    Raises
    ------
    InputError
        It is no store, no image, or it holds more; the message names what.
    """
    way_out = "--overwrite does not remove it. Give another --out."
    if not is_zarr(path):
        raise InputError(f"'{path}' is not a Zarr store; {way_out}")
    if is_annotation(path):
        raise InputError(f"'{path}' is an annotation, which somebody painted; {way_out}")
    if not _is_image(path):
        raise InputError(f"'{path}' is a Zarr array or group and no OME-Zarr image; {way_out}")
    if others := _besides_levels(path):
        raise InputError(f"'{path}' holds more than one image ({', '.join(others)}); {way_out}")


def _is_group(path: Path) -> bool:
    return not _is_array(path) and any((path / mark).exists() for mark in _GROUP_MARKS)


def _is_array(path: Path) -> bool:
    document = path / "zarr.json"
    if not document.is_file():
        return (path / ".zarray").exists()
    return bool(json.loads(document.read_text(encoding="utf-8")).get("node_type") == "array")


def _is_image(path: Path) -> bool:
    return _is_group(path) and ome_version(read_attributes(path)) is not None


def _besides_levels(path: Path) -> list[str]:
    """Names in an image's folder that are neither its levels nor hidden."""
    images = image_attributes(read_attributes(path))["multiscales"]
    levels = {each["path"].split("/")[0] for image in images for each in image["datasets"]}
    known = {*levels, *_GROUP_MARKS}
    names = (entry.name for entry in path.iterdir())
    return sorted(name for name in names if name not in known and not name.startswith("."))


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _place(path: Path, version: Version) -> _Place:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ExistsError(f"Output {path} exists; choose another or say --overwrite.")
    source = _source_of(path)
    if source is None:
        return _Place(path, version, None)
    # A store is of one version: zarr v2 and v3 do not see each other's groups.
    is_v2 = not (source / "zarr.json").exists()
    return _Place(path, "0.4" if is_v2 else "0.5", source)


def _source_of(path: Path) -> Path | None:
    """Give the image whose ``labels/`` the path lies in, if it does."""
    source = path.parent.parent
    return source if path.parent.name == "labels" and _is_image(source) else None


def _create_arrays(
    place: _Place, grids: Sequence[OutputGrid], attributes: Mapping[str, Any]
) -> list[Any]:
    place.path.parent.mkdir(parents=True, exist_ok=True)
    group = zarr.create_group(
        str(place.path), zarr_format=place.zarr_format, attributes=dict(attributes)
    )
    return [
        group.create_array(
            str(i), shape=grid.shape, dtype=grid.dtype, fill_value=0, **_storage(place, grid)
        )
        for i, grid in enumerate(grids)
    ]


def _storage(place: _Place, grid: OutputGrid) -> dict[str, Any]:
    # Byte shuffling gains nothing on labels; level 1 is the fastest and hardly larger.
    if place.version == "0.4":
        return {
            "chunks": grid.chunk,
            "compressors": {"id": "zstd", "level": 1},
            "chunk_key_encoding": {"name": "v2", "separator": "/"},
        }
    return {
        "chunks": grid.chunk,
        "shards": grid.shard if grid.pyramid else None,
        "compressors": ZstdCodec(level=1, checksum=True),
        "dimension_names": list(grid.axes.names),
    }


def _list_labels(place: _Place) -> None:
    """Add the output to the list of its image's labels, last of all: what is listed exists."""
    folder = place.path.parent
    try:
        group = _open_group(folder)
    except MissingError:
        group = zarr.create_group(str(folder), zarr_format=place.zarr_format)
    listed = list(image_attributes(dict(group.attrs)).get("labels", []))
    if place.path.name not in listed:
        listed.append(place.path.name)
    content = labels_attributes(listed, place.version)
    group.update_attributes(_merged(dict(group.attrs), content))
    if place.source is not None:
        _refresh_consolidated(place.source)


def _refresh_consolidated(source: Path) -> None:
    """Bring the copy of all metadata up to date that some stores keep; readers trust it blindly."""
    if not _has_consolidated(source):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr warns that v3 has no standard for it
        zarr.consolidate_metadata(str(source))


def _has_consolidated(source: Path) -> bool:
    if (source / ".zmetadata").exists():
        return True
    document = source / "zarr.json"
    return document.exists() and bool(json.loads(document.read_text()).get("consolidated_metadata"))


def _open_group(path: Path, mode: Literal["r", "r+"] = "r+") -> Any:
    if not _is_group(path):
        raise MissingError(f"There is no OME-Zarr at {path}.")
    return zarr.open_group(str(path), mode=mode, use_consolidated=False)
