"""Output: complete metadata from the start, whole shards, inside and outside of an image."""

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaozarrs
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import LocalStore

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import ExistsError, InputError, MissingError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import (
    OutputGrid,
    create_output,
    open_image,
    open_output,
    read_attributes,
    write_attributes,
)

CLASSES = (LabelClass(1, "nucleus", "#ff8000"), LabelClass(7, "cell wall", "#0000ff"))
VERSIONS = ["0.5", "0.4"]


def grid(
    axes: str = "zyx", shape: tuple[int, ...] = (20, 1100, 700), dtype: str = "uint8"
) -> OutputGrid:
    leading = len(shape) - len(Axes(axes).spatial)
    return OutputGrid(
        axes=Axes(axes),
        shape=shape,
        dtype=np.dtype(dtype),
        spacing=Spacing((0.5, 0.2, 0.1)[-Axes(axes).dims :], "um"),
        translation=(5.0, 6.0, 7.0)[-Axes(axes).dims :],
        chunk=(1,) * leading + (32, 64, 64)[-Axes(axes).dims :],
        shard=(1,) * leading + (32, 512, 512)[-Axes(axes).dims :],
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_created_is_valid_before_a_voxel_is_written(version: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    attributes = {"ziggurat": {"status": "running"}}
    arrays = create_output(
        path, grid(), kind="labels", classes=CLASSES, version=version, attributes=attributes
    )
    yaozarrs.validate_zarr_store(str(path))
    image = open_image(path)
    assert image.format == f"OME-Zarr {version}"
    assert image.levels[0].spacing == grid().spacing
    assert [array.shape for array in arrays] == [level.shape for level in image.levels]
    assert read_attributes(path)["ziggurat"] == {"status": "running"}
    assert image.read(0, Box((0, 0, 0), (2, 3, 4))).max() == 0


def test_fine_axes_are_halved_until_the_others_are_as_fine() -> None:
    levels = grid(shape=(20, 1100, 4000)).levels
    # x (0.1) first, then y (0.2) with it, then z (0.5) with both.
    assert [level.shape for level in levels] == [
        (20, 1100, 4000), (20, 1100, 2000), (20, 550, 1000), (10, 275, 500)
    ]  # fmt: skip
    assert levels[-1].spacing.values == pytest.approx((1.0, 0.8, 0.8))


def test_a_level_of_one_plane_is_not_halved_away() -> None:
    levels = grid(shape=(1, 3000, 3000)).levels
    assert {level.shape[0] for level in levels} == {1}
    assert max(levels[-1].shape) <= 512


@pytest.mark.parametrize("shape", [(20, 1101, 1003), (7, 513, 514)])
def test_voxel_centres_of_all_levels_coincide(shape: tuple[int, ...]) -> None:
    fine, *coarser = grid(shape=shape).levels
    for level in coarser:
        for axis in range(3):
            factor = round(level.spacing.values[axis] / fine.spacing.values[axis])
            centres = fine.translation[axis] + np.arange(factor) * fine.spacing.values[axis]
            assert level.translation[axis] == pytest.approx(centres.mean())


@given(st.data())
def test_a_block_writes_whole_shards_of_every_given_level(data: st.DataObject) -> None:
    factor = data.draw(st.sampled_from([1, 2, 3, 4, 8]))
    length, cell = data.draw(st.integers(1, 300)), factor * data.draw(st.integers(1, 12))
    chunk = min(cell, length)
    fits = 1 if chunk < cell else data.draw(st.integers(1, -(-length // chunk)))
    plane = OutputGrid(
        Axes("yx"), (length, 5), np.dtype("uint8"), Spacing((1.0, 1.0)), (0.0, 0.0), (chunk, 5),
        (chunk * fits, 5), downsamplings=((factor, 1),),
    )  # fmt: skip
    fine, coarse = (level.fitted() for level in plane.levels)
    blocks = range(0, length, fine.shard[0])
    assert coarse.shape[0] == -(-length // factor)
    assert list(range(0, coarse.shape[0], coarse.shard[0])) == [b // factor for b in blocks]


def test_storage_is_as_small_as_the_image() -> None:
    small = replace(grid(), shape=(5, 100, 700)).fitted()
    assert small.chunk == (5, 64, 64)
    assert small.shard == (5, 128, 512)


def test_colours_and_names_of_classes_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    create_output(path, grid(), kind="labels", classes=CLASSES)
    label = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["image-label"]
    assert label["colors"] == [
        {"label-value": 1, "rgba": [255, 128, 0, 255]},
        {"label-value": 7, "rgba": [0, 0, 255, 255]},
    ]
    assert label["properties"][1] == {"label-value": 7, "name": "cell wall"}
    assert "source" not in label


@pytest.mark.parametrize("version", VERSIONS)
def test_probabilities_are_an_image_with_named_channels(version: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    shape = (2, 8, 600, 300)
    create_output(
        path,
        grid("czyx", shape, "float32"),
        kind="image",
        channels=("background", "nucleus"),
        classes=(LabelClass(0, "background", "#000000"), CLASSES[0]),
        version=version,
    )
    yaozarrs.validate_zarr_store(str(path))
    image = open_image(path)
    assert (image.axes, image.dtype) == (Axes("czyx"), np.dtype("float32"))
    assert image.channels == ("background", "nucleus")


def test_version_5_is_sharded_and_version_4_is_nested(tmp_path: Path) -> None:
    versions: list[Any] = VERSIONS
    for version in versions:
        arrays = create_output(tmp_path / version, grid(), kind="labels", version=version)
        arrays[0][:20, :512, :512] = 1
    new, old = (open_output(tmp_path / version)[0] for version in VERSIONS)
    assert (new.shards, new.chunks) == ((20, 512, 512), (20, 64, 64))
    assert new.metadata.dimension_names == ("z", "y", "x")
    assert [p.name for p in (tmp_path / "0.5" / "0" / "c" / "0" / "0").iterdir()] == ["0"]
    assert (old.shards, old.chunks) == (None, (20, 64, 64))
    assert len(list((tmp_path / "0.4" / "0" / "0").rglob("[0-7]/[0-7]"))) == 64


@pytest.mark.parametrize("version", VERSIONS)
def test_a_new_block_is_written_without_reading(
    version: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(grid(), shape=(20, 600, 700))
    array = create_output(tmp_path / "a.zarr", small, kind="labels", version=version)[0]
    got: list[int] = []
    get = LocalStore.get

    async def counting(self: LocalStore, key: str, *args: Any, **kwargs: Any) -> Any:
        value = await get(self, key, *args, **kwargs)
        if value is not None:
            got.append(len(value))
        return value

    monkeypatch.setattr(LocalStore, "get", counting)
    array[0:20, 0:512, 0:512] = 3  # a whole shard
    array[0:20, 512:600, 512:700] = 4  # one that the border cuts off
    assert got == []
    monkeypatch.undo()
    assert (array[5, 511, 511], array[19, 599, 699], array[0, 0, 600]) == (3, 4, 0)


def test_a_process_that_is_killed_leaves_no_torn_shard(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    create_output(path, replace(grid(), shape=(32, 512, 512)), kind="labels")
    writer = (
        "import sys, pathlib, numpy as np\n"
        "from napari_ziggurat.images import open_output\n"
        "array = open_output(pathlib.Path(sys.argv[1]))[0]\n"
        "noise = np.random.default_rng(0).integers(0, 9, array.shape, dtype=np.uint8)\n"
        "for _ in range(10_000):\n"
        "    array[:] = noise\n"
        "    print('written', flush=True)\n"
    )
    for writes in (1, 2):
        process = subprocess.Popen(
            [sys.executable, "-c", writer, str(path)], stdout=subprocess.PIPE, text=True
        )
        with process:
            for _ in range(writes):
                assert process.stdout is not None
                process.stdout.readline()
            process.kill()
        noise = np.random.default_rng(0).integers(0, 9, (32, 512, 512), dtype=np.uint8)
        np.testing.assert_array_equal(open_output(path)[0][:], noise)


def test_attributes_are_merged(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    running = {"ziggurat": {"status": "running", "model": "m"}}
    create_output(path, grid(), kind="labels", attributes=running)
    write_attributes(path, {"ziggurat": {"status": "complete"}})
    attributes = read_attributes(path)
    assert attributes["ziggurat"] == {"status": "complete", "model": "m"}
    assert "multiscales" in attributes["ome"]


def source_image(path: Path, version: Any) -> Path:
    create_output(path, grid(), kind="image", version=version)
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_inside_an_image_are_listed_refer_to_it_and_have_its_version(
    version: Any, tmp_path: Path
) -> None:
    source = source_image(tmp_path / "image.zarr", version)
    other: Any = VERSIONS[1 - VERSIONS.index(version)]
    for name in ("first", "second"):
        create_output(source / "labels" / name, grid(), kind="labels", version=other)
    yaozarrs.validate_zarr_store(str(source))
    yaozarrs.validate_zarr_store(str(source / "labels" / "second"))
    label = open_image(source / "labels" / "second")
    assert label.format == f"OME-Zarr {version}"
    attributes = read_attributes(source / "labels")
    assert attributes.get("ome", attributes)["labels"] == ["first", "second"]
    own = read_attributes(source / "labels" / "second")
    assert own.get("ome", own)["image-label"]["source"] == {"image": "../../"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_copy_of_all_metadata_is_kept_up_to_date(version: Any, tmp_path: Path) -> None:
    source = source_image(tmp_path / "image.zarr", version)
    with pytest.warns(match="onsolidated") if version == "0.5" else nullcontext():
        zarr.consolidate_metadata(str(source))
    create_output(
        source / "labels" / "cells", grid(), kind="labels", attributes={"ziggurat": {"status": "r"}}
    )
    write_attributes(source / "labels" / "cells", {"ziggurat": {"status": "complete"}})
    found = zarr.open_group(str(source), mode="r", use_consolidated=True)["labels/cells"]
    assert found.attrs["ziggurat"] == {"status": "complete"}


def test_a_folder_called_labels_outside_of_an_image_is_a_folder(tmp_path: Path) -> None:
    create_output(tmp_path / "labels" / "a.zarr", grid(), kind="labels")
    assert not (tmp_path / "labels" / "zarr.json").exists()


def test_what_exists_is_not_replaced(tmp_path: Path) -> None:
    create_output(tmp_path / "a.zarr", grid(), kind="labels")
    with pytest.raises(ExistsError, match="--overwrite"):
        create_output(tmp_path / "a.zarr", grid(), kind="labels")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        create_output(tmp_path / "file" / "a.zarr", grid(), kind="labels")
    with pytest.raises(MissingError, match="no OME-Zarr"):
        open_output(tmp_path / "nothing.zarr")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"axes": Axes("xyz")}, "orders axes as t, c, z, y, x"),
        ({"chunk": (32, 64)}, "one value per axis"),
        ({"shard": (32, 100, 100)}, r"must be a multiple of chunk"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        replace(grid(), **change)
