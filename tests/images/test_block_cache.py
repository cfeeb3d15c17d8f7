"""A cache of blocks gives what the image gives, and takes no more memory than it may."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, image_from_array, open_image
from napari_ziggurat.images.block_cache import BlockCache

SHAPE = (40, 70, 90)
VOXELS = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)


class Counted:
    """An array in chunks that counts the voxels that are read."""

    def __init__(self, array: np.ndarray, chunks: tuple[int, ...]) -> None:
        self.array, self.chunks, self.read = array, chunks, 0
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        part = self.array[key]
        self.read += part.size
        return part


def chunked(chunks: tuple[int, ...] = (16, 16, 32)) -> tuple[Image, Counted]:
    counted = Counted(VOXELS, chunks)
    return replace(image_from_array(VOXELS, axes="zyx"), arrays=(counted,)), counted


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([0, 40_000, 10**6]), st.sampled_from([(16, 16, 32), (1, 1, 90)]))
def test_boxes_are_those_of_the_image_whatever_the_limit(
    data: st.DataObject, limit: int, chunks: tuple[int, ...]
) -> None:
    (image, _), cache = chunked(chunks), BlockCache(limit)
    for _ in range(4):
        start = [data.draw(st.integers(0, n - 1)) for n in SHAPE]
        stop = [data.draw(st.integers(a + 1, n)) for a, n in zip(start, SHAPE, strict=True)]
        box = Box(tuple(start), tuple(stop))
        np.testing.assert_array_equal(cache.read(image, 0, box)[0], VOXELS[box.slices])
        assert cache.bytes <= limit


def test_a_box_is_read_once_and_again_when_others_took_its_room() -> None:
    image, counted = chunked()
    cache = BlockCache(2 * 32 * 32 * 32)
    one, others = Box((0, 0, 0), (10, 10, 10)), Box((0, 40, 20), (1, 41, 40))
    cache.read(image, 0, one)
    once = counted.read
    cache.read(image, 0, Box((2, 2, 2), (30, 30, 30)))
    assert counted.read == once == 32**3
    cache.read(image, 0, others)  # two blocks
    before = counted.read
    cache.read(image, 0, one)
    assert counted.read > before


def test_levels_and_time_points_are_not_taken_for_each_other() -> None:
    movie = np.stack([VOXELS[0], 255 - VOXELS[0]])
    array = zarr.create_array({}, shape=movie.shape, chunks=(1, 32, 32), dtype="uint8")
    array[...] = movie
    image, cache = image_from_array(array, axes="tyx"), BlockCache(10**6)
    box = Box((3, 3), (20, 40))
    for time in (0, 1):
        np.testing.assert_array_equal(
            cache.read(image, 0, box, time)[0], movie[(time, *box.slices)]
        )


def test_blocks_in_which_nothing_is_stored_take_no_memory(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(256, 256), chunks=(64, 64), dtype="uint8", fill_value=7
    )
    image, cache = open_image(tmp_path / "a.zarr", axes="yx"), BlockCache(10**6)
    assert (cache.read(image, 0, Box((0, 0), (200, 200))) == 7).all()
    assert cache.bytes == 0
    array[:64, :64] = 1
    assert cache.read(image, 0, Box((0, 0), (200, 200)))[0, 0, 0] == 1
    assert cache.bytes == 256 * 256
