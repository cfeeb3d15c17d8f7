"""How large blocks are: good files, and enough of them for several workers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.errors import InputError
from napari_ziggurat.runs.plan.storage import storage_of

sides = st.integers(1, 3000)
cells = st.integers(1, 300)


def blocks(shape: tuple[int, ...], shard: tuple[int, ...]) -> int:
    return math.prod(-(-n // s) for n, s in zip(shape, shard, strict=True))


def test_blocks_of_a_large_volume_are_good_files() -> None:
    assert storage_of((4096,) * 3, (96,) * 3) == ((96,) * 3, (96, 192, 192))
    assert storage_of((4096,) * 3, (32, 96, 96))[1] == (96, 192, 192)
    assert storage_of((50000,) * 2, (512, 512))[1] == (2048, 2048)
    assert storage_of((900, 5000, 5000), (1, 448, 448))[1] == (16, 448, 448)


def test_thin_volumes_have_wide_blocks() -> None:
    assert storage_of((20, 9000, 9000), (32, 96, 96))[1] == (20, 384, 480)


def test_a_small_volume_has_blocks_for_several_workers() -> None:
    _, shard = storage_of((256, 512, 256), (32, 96, 96))
    assert shard == (96, 96, 192)
    assert blocks((256, 512, 256), shard) == 36


def test_a_block_as_asked_for_stays_so() -> None:
    assert storage_of((256, 512, 256), (32, 96, 96), (256, 100, 90))[1] == (256, 192, 96)


def test_a_block_needs_a_size_for_each_axis() -> None:
    with pytest.raises(InputError, match="one size per spatial axis"):
        storage_of((256, 512, 256), (32, 96, 96), (256, 100))


@given(st.lists(st.tuples(sides, cells), min_size=2, max_size=3))
def test_blocks_are_whole_cells_and_not_too_large(axes: list[tuple[int, int]]) -> None:
    shape, cell = (tuple(each) for each in zip(*axes, strict=True))
    chunk, shard = storage_of(shape, cell)
    assert all(s % c == 0 for s, c in zip(shard, chunk, strict=True))
    assert all(s < n + c for s, c, n in zip(shard, chunk, shape, strict=True))
    least = math.prod(min(16, n) if c == 1 else c for c, n in zip(chunk, shape, strict=True))
    assert math.prod(shard) <= max(2**22, least)
