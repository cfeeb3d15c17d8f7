"""Chunks that are not stored: known without reading; a store that vanished is not empty."""

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, image_from_array, open_image

STORAGE: dict[str, dict[str, Any]] = {
    "v3": {"zarr_format": 3},
    "v3, v2 keys": {
        "zarr_format": 3, "chunk_key_encoding": {"name": "v2", "separator": "."},
    },
    "v3, sharded": {"zarr_format": 3, "shards": True},
    "v2, dots": {"zarr_format": 2},
    "v2, slashes": {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "v2, no fill value": {"zarr_format": 2, "fill_value": None},
}  # fmt: skip
SIZES = {"t": 2, "c": 2, "z": 3, "y": 7, "x": 9}
CHUNK = {"t": 1, "c": 1, "z": 2, "y": 2, "x": 3}


def _create(path: Path, axes: str = "yx", dtype: str = "uint8", fill: Any = 0, **storage: Any):
    shape, chunks = (tuple(sizes[a] for a in axes) for sizes in (SIZES, CHUNK))
    if storage.pop("shards", False):
        storage["shards"] = tuple(2 * n for n in chunks)
    storage = {"fill_value": fill, "config": {"write_empty_chunks": True}} | storage
    return zarr.create_array(str(path), shape=shape, chunks=chunks, dtype=dtype, **storage)


def _boxes(shape: tuple[int, ...]) -> st.SearchStrategy[Box]:
    ends = st.tuples(*(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)
                       for n in shape))  # fmt: skip
    return ends.map(lambda spans: Box(*zip(*map(sorted, spans), strict=True)))


def _whole(image: Image) -> Box:
    return Box.whole(image.levels[0].shape)


@pytest.mark.parametrize("storage", STORAGE)
@settings(max_examples=30)
@given(data=st.data())
def test_a_constant_box_is_what_would_be_read(storage: str, data: st.DataObject) -> None:
    axes = data.draw(st.sampled_from(["yx", "zyx", "cyx", "yxc", "tczyx"]))
    (dtype, fill) = data.draw(st.sampled_from([("u1", 3), (">u2", 500), ("bool", True),
                                               ("f4", np.nan), ("<f8", -1.5)]))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        array = _create(Path(folder) / "a.zarr", axes, dtype, fill, **STORAGE[storage])
        grid = array.shards or array.chunks
        places = list(itertools.product(*(range(0, n, g) for n, g in zip(array.shape, grid))))  # noqa: B905
        stored = data.draw(st.sets(st.sampled_from(places), max_size=2))
        for place in stored:
            array[tuple(slice(p, p + 1) for p in place)] = 1
        image = open_image(Path(folder) / "a.zarr", axes=axes, nan_as=9)
        box = data.draw(_boxes(image.levels[0].shape))
        time = data.draw(st.integers(0, image.times - 1))
        found = image.constant(0, box, time)
        touched = any(_overlaps(image, box, time, place, grid) for place in stored)
        assert (found is None) == touched
        if found is not None:
            voxels = image.read(0, box, time)
            assert (found.dtype, found.shape) == (voxels.dtype, (len(image.channels),))
            expected = np.broadcast_to(found[(..., *(None,) * box.ndim)], voxels.shape)
            np.testing.assert_array_equal(voxels, expected)


def _overlaps(image: Image, box: Box, time: int, place: Any, grid: Any) -> bool:
    """Tell whether a box of all channels touches a unit of storage, by arithmetic."""
    spans = dict(zip(image.axes.spatial, zip(box.start, box.stop, strict=True), strict=True))
    spans |= {"t": (time, time + 1), "c": (0, len(image.channels))}
    return all(
        spans[letter][0] < p + g and p < spans[letter][1]
        for letter, p, g in zip(image.axes.names, place, grid, strict=True)
    )


def test_axes_of_length_one_that_are_left_out_keep_their_gaps(tmp_path: Path) -> None:
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(1, 4, 6), chunks=(1, 2, 3), dtype="u1", fill_value=7
    )
    array[0, 0, 0] = 1
    image = open_image(tmp_path / "a.zarr", axes="yx")
    assert image.constant(0, Box((0, 0), (2, 3))) is None
    assert np.array_equal(image.constant(0, Box((2, 0), (4, 6))), [7])
    shutil.rmtree(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="vanished"):
        image.check_present(0)


def test_other_sources_do_not_know_their_gaps(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 5), np.uint8))
    for image in (open_image(tmp_path / "a.npy"), image_from_array(np.zeros((4, 5)), axes="yx")):
        assert image.constant(0, _whole(image)) is None
        image.check_present(0)


def test_an_array_of_zarr_that_is_given_as_it_is_knows_its_gaps(tmp_path: Path) -> None:
    array = _create(tmp_path / "a.zarr", fill=3)
    for each in (array, zarr.open_array(str(tmp_path / "a.zarr"), mode="r")):
        image = image_from_array(each, axes="yx")
        image.check_present(0)
        assert np.array_equal(image.constant(0, _whole(image)), [3])
    shutil.rmtree(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="vanished"):
        image.check_present(0)


def test_an_array_of_zarr_in_memory_is_there_and_does_not_know_its_gaps() -> None:
    image = image_from_array(zarr.zeros((4, 5), chunks=(2, 2), dtype="u1"), axes="yx")
    image.check_present(0)
    assert image.constant(0, _whole(image)) is None


def test_gaps_are_found_without_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _create(tmp_path / "a.zarr", fill=3)
    image = open_image(tmp_path / "a.zarr", axes="yx")
    monkeypatch.setattr(zarr.Array, "__getitem__", None)
    assert np.array_equal(image.constant(0, _whole(image)), [3])


def test_a_chunk_that_may_not_be_looked_at_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _create(tmp_path / "a.zarr")
    image = open_image(tmp_path / "a.zarr", axes="yx")

    def refuse(path: Path, **more: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    assert image.constant(0, _whole(image)) is None


@pytest.mark.parametrize("storage", ["v3", "v3, sharded", "v2, dots"])
def test_a_store_that_vanishes_is_noticed(tmp_path: Path, storage: str) -> None:
    array = _create(tmp_path / "a.zarr", **STORAGE[storage])
    array[...] = 5
    image = open_image(tmp_path / "a.zarr", axes="yx")
    image.check_present(0)
    (tmp_path / "a.zarr").rename(tmp_path / "away")
    with pytest.raises(InputError, match=r"a\.zarr vanished while it was read.*level 0"):
        image.check_present(0)
    with pytest.raises(InputError, match="vanished"):
        image.constant(0, _whole(image))
    (tmp_path / "away").rename(tmp_path / "a.zarr")
    image.check_present(0)
