"""OME-Zarr: other people's metadata, 0.4 and 0.5, and what is no image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box
from napari_ziggurat.images import open_image

CZYX = [
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def scale(*values: float) -> dict[str, Any]:
    return {"type": "scale", "scale": list(values)}


def translation(*values: float) -> dict[str, Any]:
    return {"type": "translation", "translation": list(values)}


def write(
    path: Path, version: str, multiscale: dict[str, Any], *arrays: np.ndarray, **more: Any
) -> Path:
    """Write arrays as levels "0", "1", ... with the given metadata."""
    attributes: dict[str, Any] = {"multiscales": [multiscale], **more}
    if version == "0.5":
        attributes = {"ome": {"version": "0.5", **attributes}}
    else:
        multiscale["version"] = version
    group = zarr.create_group(
        str(path), zarr_format=3 if version == "0.5" else 2, attributes=attributes
    )
    for i, array in enumerate(arrays):
        group.create_array(str(i), data=array)
    return path


def two_levels(axes: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    steps = [[scale(1, 2.0, 0.5, 0.5)], [scale(1, 2.0, 1, 1), translation(0, 0, 0.25, 0.25)]]
    return {
        "axes": axes or CZYX,
        "datasets": [
            {"path": str(i), "coordinateTransformations": step} for i, step in enumerate(steps)
        ],
        **more,
    }


def arrays() -> tuple[np.ndarray, np.ndarray]:
    fine = np.random.default_rng(0).integers(0, 255, (2, 3, 8, 10), dtype=np.uint8)
    return fine, fine[:, :, ::2, ::2]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_levels_spacing_translation_and_channels_are_read(version: str, tmp_path: Path) -> None:
    omero = {
        "channels": [
            {"label": name, "color": "FFFFFF", "window": {"start": 0, "end": 1, "min": 0, "max": 1}}
            for name in ("nuclei", "cells")
        ]
    }
    path = write(tmp_path / "a.zarr", version, two_levels(), *arrays(), omero=omero)
    image = open_image(path)
    assert image.format == f"OME-Zarr {version}"
    assert image.axes == Axes("czyx")
    assert image.channels == ("nuclei", "cells")
    assert [level.spacing.values for level in image.levels] == [(2.0, 0.5, 0.5), (2.0, 1.0, 1.0)]
    assert [level.translation for level in image.levels] == [(0.0, 0.0, 0.0), (0.0, 0.25, 0.25)]
    assert image.levels[1].spacing.unit == "um"
    for level, array in enumerate(arrays()):
        found = image.read(level, Box.whole(image.levels[level].shape))
        np.testing.assert_array_equal(found, array)


def test_transformations_of_the_whole_image_come_after_those_of_the_level(tmp_path: Path) -> None:
    whole = [scale(1, 10, 10, 10), translation(0, 1, 2, 3)]
    metadata = two_levels(coordinateTransformations=whole)
    image = open_image(write(tmp_path / "a.zarr", "0.5", metadata, *arrays()))
    assert image.levels[1].spacing.values == (20.0, 10.0, 10.0)
    assert image.levels[1].translation == (1.0, 2 + 2.5, 3 + 2.5)


def test_units_that_differ_are_brought_to_one(tmp_path: Path) -> None:
    axes = [CZYX[0], {"name": "z", "type": "space", "unit": "nanometer"}, *CZYX[2:]]
    image = open_image(write(tmp_path / "a.zarr", "0.5", two_levels(axes), *arrays()))
    assert image.levels[0].spacing.values == pytest.approx((0.002, 0.5, 0.5))
    assert image.levels[0].spacing.unit == "um"


def test_said_spacing_moves_translations_with_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", "0.5", two_levels(), *arrays())
    image = open_image(path, spacing=(4, 5, 6), unit="nm")
    assert [level.spacing.values for level in image.levels] == [(4, 5, 6), (4, 10, 12)]
    assert image.levels[1].translation == (0.0, 2.5, 3.0)
    assert image.levels[1].spacing.unit == "nm"
    with pytest.raises(InputError, match="states its voxel size in um"):
        open_image(path, unit="nm")


def test_axes_are_known_by_their_type_whatever_they_are_called(tmp_path: Path) -> None:
    axes = [{"name": "stain", "type": "channel"}, *CZYX[1:]]
    image = open_image(write(tmp_path / "a.zarr", "0.4", two_levels(axes), *arrays()))
    assert image.axes == Axes("czyx")


def test_a_store_of_version_2_is_read_with_any_separator(tmp_path: Path) -> None:
    metadata = {**two_levels(), "version": "0.4"}
    group = zarr.create_group(
        str(tmp_path / "a.zarr"), zarr_format=2, attributes={"multiscales": [metadata]}
    )
    for i, (array, separator) in enumerate(zip(arrays(), "./", strict=True)):
        encoding = {"name": "v2", "separator": separator}
        group.create_array(str(i), data=array, chunks=(1, 2, 4, 4), chunk_key_encoding=encoding)
    image = open_image(tmp_path / "a.zarr")
    np.testing.assert_array_equal(image.read(1, Box.whole((3, 4, 5))), arrays()[1])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plain_array_needs_names_for_its_axes(zarr_format: int, tmp_path: Path) -> None:
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(3, 4, 5), dtype="u1", zarr_format=zarr_format
    )
    with pytest.raises(InputError, match="--axes"):
        open_image(tmp_path / "a.zarr")
    assert open_image(tmp_path / "a.zarr", axes="zyx").dims == 3
    array.attrs["_ARRAY_DIMENSIONS"] = ["t", "y", "x"]
    assert open_image(tmp_path / "a.zarr").times == 3


def test_a_group_without_metadata_says_what_can_be_opened(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    group.create_array("raw", shape=(3, 4, 5), dtype="u1")
    with pytest.raises(InputError, match=r"without OME-Zarr metadata .*a\.zarr/raw --axes zyx"):
        open_image(tmp_path / "a.zarr")


def test_several_images_in_one_store_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_group(str(path), zarr_format=2, attributes={"bioformats2raw.layout": 3})
    for name in ("0", "1"):
        write(path / name, "0.4", two_levels(), *arrays())
    with pytest.raises(InputError, match=r"bioformats2raw layout.*a\.zarr/0, .*a\.zarr/1"):
        open_image(path)
    assert open_image(path / "1").dims == 3


def test_a_plate_and_its_wells_say_where_the_images_are(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    wells = [{"path": "B/3", "rowIndex": 0, "columnIndex": 0}]
    zarr.create_group(str(path), attributes={"ome": {"version": "0.5", "plate": {"wells": wells}}})
    with pytest.raises(InputError, match=r"is a plate; .*a\.zarr/B/3/0"):
        open_image(path)
    well = {"images": [{"path": "0"}, {"path": "1"}]}
    zarr.create_group(str(path / "B" / "3"), attributes={"ome": {"version": "0.5", "well": well}})
    with pytest.raises(InputError, match=r"is a well; .*a\.zarr/B/3/0, .*a\.zarr/B/3/1"):
        open_image(path / "B" / "3")


def test_labels_inside_an_image_are_listed_and_opened(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", "0.5", two_levels(), *arrays())
    attributes = {"ome": {"version": "0.5", "labels": ["cells"]}}
    zarr.create_group(str(path / "labels"), attributes=attributes)
    write(path / "labels" / "cells", "0.5", two_levels(), *arrays())
    with pytest.raises(InputError, match=r"group of label images; .*labels/cells"):
        open_image(path / "labels")
    assert open_image(path / "labels" / "cells").name == "cells"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"axes": CZYX[:3]}, "does not follow the standard"),
        ({"datasets": []}, "does not follow the standard: datasets"),
        ({"datasets": [{"path": "9", "coordinateTransformations": [scale(1, 1, 1, 1)]}]},
         "lists a level '9'"),
        ({"version": "0.1"}, "versions 0.4 and 0.5"),
    ],
)  # fmt: skip
def test_broken_metadata_is_refused_in_one_sentence(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    version = change.get("version", "0.4")
    path = write(tmp_path / "a.zarr", version, two_levels() | change, *arrays())
    with pytest.raises(InputError, match=says) as caught:
        open_image(path)
    assert "\n" not in str(caught.value)


def test_metadata_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", "0.5", two_levels(), *arrays())
    (path / "zarr.json").write_text("{")
    with pytest.raises(InputError, match="cannot be opened"):
        open_image(path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_broken_chunk_is_named_with_its_box(version: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", version, two_levels(), *arrays())
    chunks = [p for p in (path / "0").rglob("*") if p.is_file() and p.name[0] in "0123456789c"]
    for chunk in chunks:
        chunk.write_bytes(chunk.read_bytes()[:10])
    with pytest.raises(InputError, match=r"a\.zarr cannot be read at level 0, box 0:3,0:8,0:10"):
        open_image(path).read(0, Box.whole((3, 8, 10)))


def test_a_missing_chunk_is_empty_as_zarr_says(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(4, 5), dtype="u1", fill_value=7)
    assert open_image(tmp_path / "a.zarr").read(0, Box.whole((4, 5))).min() == 7
