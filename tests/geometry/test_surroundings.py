"""Surroundings have the centre of what they surround, and cells of them cover the image once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.geometry import Box, Lattice, SurroundGrids, SurroundLattice, mirrored

EVEN = SurroundGrids((4, 4), (16, 16), (16, 16))
FLAT_Z = SurroundGrids((1, 4, 4), (2, 16, 16), (8, 16, 16))


def test_a_patch_and_its_surroundings_have_one_centre_on_the_grid_of_the_hook() -> None:
    for start, shape in (((32, 48), (32, 64)), ((0, 16), (48, 16))):
        box = Box(start, tuple(a + n for a, n in zip(start, shape, strict=True)))
        seen = EVEN.around(box)
        for a, b, c, d, factor, ratio in zip(
            box.start, box.stop, seen.start, seen.stop, EVEN.factor, EVEN.ratio, strict=True
        ):
            assert a + b == (c + d) * factor
            assert c % ratio == d % ratio == 0
        assert all(0 <= n - m < 2 * 4 for n, m in zip(shape, seen.shape, strict=True) if n > 16)


def test_surroundings_move_with_their_patch() -> None:
    here, there = (EVEN.around(Box((a, 0), (a + 32, 32))) for a in (64, 96))
    assert there == here.shift((2 * EVEN.ratio[0], 0))


def test_an_axis_that_is_not_coarser_is_seen_as_it_is() -> None:
    box = Box((4, 16, 32), (8, 48, 64))
    seen = FLAT_Z.around(box)
    assert (seen.start[0], seen.stop[0]) == (4, 8)
    assert EVEN.seen_by(3).around(Box((7, 0, 0), (8, 32, 32))).shape == (1, 32, 32)


@given(
    shape=st.tuples(st.integers(1, 300), st.integers(1, 90)),
    window=st.sampled_from([(16, 16), (48, 64), (128, 32)]),
    grids=st.sampled_from([EVEN, SurroundGrids((2, 4), (8, 4), (8, 2))]),
)
def test_cells_hold_each_voxel_of_the_hook_once_and_windows_hold_their_cells(
    shape: tuple[int, ...], window: tuple[int, ...], grids: SurroundGrids
) -> None:
    fine = Lattice(shape, window, (0, 0), (16, 16))
    lattice = SurroundLattice.of(grids, fine)
    whole = grids.hooks(Box.whole(fine.padded_shape))
    found = np.zeros(whole.shape, int)
    assert whole.shape == lattice.hook_shape
    for index in lattice.indices(whole):
        cell = lattice.cell(index)
        found[cell.hooks.slices] += 1
        ratio = grids.ratio
        for a, b, c, d, r, m in zip(
            cell.window.start, cell.window.stop, cell.hooks.start, cell.hooks.stop, ratio,
            grids.stride, strict=True,
        ):  # fmt: skip
            assert a % m == (b - a) % m == 0
            assert a <= c * r <= d * r <= b
    assert (found == 1).all()
    assert lattice.count(Box.whole(shape)) == np.prod(lattice.counts)


@pytest.mark.parametrize("size", [1, 2, 5, 40])
def test_an_axis_goes_on_mirrored_as_numpy_does_it(size: int) -> None:
    voxels = np.arange(size)
    padded = np.pad(voxels, (17, 30), mode="symmetric")
    assert np.array_equal(voxels[mirrored(range(-17, size + 30), size)], padded)
