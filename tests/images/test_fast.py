"""Local zarr through tensorstore: the same voxels as zarr-python reads."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ZstdCodec

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, fast, open_image, zarr_array

tensorstore = pytest.importorskip("tensorstore", reason="needs the extra 'fast'")

SHAPE = (20, 33, 45)
RNG = np.random.default_rng(0)
BOXES = [Box.whole(SHAPE), Box((3, 5, 7), (17, 30, 44)), Box((8, 8, 8), (16, 16, 16)),
         Box((4, 4, 4), (4, 9, 9))]  # fmt: skip


def _numbers(dtype: str) -> NDArray[Any]:
    return RNG.integers(0, 2 if dtype == "bool" else 100, SHAPE).astype(dtype)


def _write(path: Path, voxels: NDArray[Any], **storage: Any) -> Path:
    """Write the lower half; the chunks of the upper are not there."""
    storage = {"chunks": (8, 8, 8)} | storage
    array = zarr.create_array(str(path), shape=SHAPE, dtype=voxels.dtype, **storage)
    array[:8] = voxels[:8]
    return path


def _is_fast(image: Image) -> bool:
    (array,) = image.arrays
    assert isinstance(array, zarr_array.ZarrArray)
    return array._fast is not None


def _compare(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = open_image(path, axes="zyx")
    assert _is_fast(image)
    found = [image.read(0, box) for box in BOXES]
    monkeypatch.setattr(zarr_array, "open_fast", lambda array, folder: None)
    slow = open_image(path, axes="zyx")
    assert not _is_fast(slow)
    for box, voxels in zip(BOXES, found, strict=True):
        expected = slow.read(0, box)
        assert (voxels.dtype, voxels.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(voxels, expected)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "dtype",
    ["bool", "u1", "i1", "<u2", ">u2", "<i4", ">i4", "<u8", "i8", "f2", "<f4", ">f4", "<f8", ">f8"],
)
def test_voxels_of_every_type_are_the_same(
    dtype: str, version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill: Any = np.nan if "f" in dtype else 1
    path = _write(tmp_path / "a.zarr", _numbers(dtype), zarr_format=version, fill_value=fill)
    _compare(path, monkeypatch)


@pytest.mark.parametrize(
    "storage",
    [
        *({"zarr_format": 3, "compressors": c} for c in (
            None, ZstdCodec(level=1, checksum=True), GzipCodec(), BloscCodec(cname="lz4"),
            BloscCodec(cname="zstd", shuffle="bitshuffle"))),
        *({"zarr_format": 2, "compressors": c} for c in (
            None, numcodecs.Zstd(), numcodecs.GZip(), numcodecs.Zlib(), numcodecs.Blosc("zstd"),
            numcodecs.BZ2())),
        {"zarr_format": 3, "shards": (16, 16, 16)},
        {"zarr_format": 3, "shards": (16, 16, 16), "serializer": BytesCodec(endian="big")},
        {"zarr_format": 3, "chunk_key_encoding": {"name": "v2", "separator": "."}},
        {"zarr_format": 2, "order": "F"},
        {"zarr_format": 2, "fill_value": None},
        {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
    ],
)  # fmt: skip
def test_voxels_of_every_storage_are_the_same(
    storage: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = {"fill_value": 7} | storage
    _compare(_write(tmp_path / "a.zarr", _numbers("u2"), **storage), monkeypatch)


def test_what_tensorstore_does_not_know_zarr_reads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voxels = _numbers("u2")
    storage = {"zarr_format": 2, "filters": [numcodecs.Delta("<u2")]}
    image = open_image(_write(tmp_path / "a.zarr", voxels, **storage), axes="zyx")
    with caplog.at_level(logging.DEBUG, fast.logger.name):
        np.testing.assert_array_equal(image.read(0, BOXES[2].whole((8, 33, 45)))[0], voxels[:8])
    assert not _is_fast(image)
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


def test_other_keys_than_boxes_mean_what_they_mean_to_numpy(tmp_path: Path) -> None:
    voxels = _numbers("u1")
    voxels[8:] = 0
    (array,) = open_image(_write(tmp_path / "a.zarr", voxels, fill_value=0), axes="zyx").arrays
    for key in (np.s_[...], np.s_[:, :, 1:99], np.s_[::2, :, :], np.s_[2:4], np.s_[-5:-1, :, :],
                np.s_[0, :, :], np.s_[:, :, :]):  # fmt: skip
        np.testing.assert_array_equal(array[key], voxels[key])


def test_several_threads_read_at_once(tmp_path: Path) -> None:
    voxels = _numbers("u2")
    voxels[8:] = 0
    image = open_image(_write(tmp_path / "a.zarr", voxels, fill_value=0), axes="zyx")
    boxes = [Box((0, y, x), (20, y + 5, x + 9)) for y in range(0, 25, 5) for x in range(0, 36, 9)]
    with ThreadPoolExecutor(8) as pool:
        for box, found in zip(boxes * 5, pool.map(lambda b: image.read(0, b), boxes * 5)):  # noqa: B905
            np.testing.assert_array_equal(found[0], voxels[box.slices])
    assert _is_fast(image)


def test_what_is_written_later_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zarr", _numbers("u1"), fill_value=0)
    image = open_image(path, axes="zyx")
    assert image.read(0, BOXES[2]).max() == 0
    zarr.open_array(str(path), mode="r+")[8:16] = 5
    assert image.read(0, BOXES[2]).min() == 5
    zarr.open_array(str(path), mode="r+")[8:16] = 6
    assert image.read(0, BOXES[2]).min() == 6


def test_nothing_can_be_written(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zarr", _numbers("u1"))
    opened = fast.open_fast(zarr.open_array(str(path), mode="r"), path)
    assert not opened.array.writable
    assert opened.array.spec(retain_context=True).to_json()["context"]["cache_pool"] == {
        "total_bytes_limit": fast._CACHE
    }
