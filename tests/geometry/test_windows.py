"""Every voxel belongs to one cell, every cell to one window, whatever the sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import BlockGrid, Box, Lattice


@st.composite
def lattices(draw: st.DrawFn) -> Lattice:
    """Any image size, stride, rim and cell, in one to three dimensions."""
    axes = draw(st.integers(1, 3))
    shape, window, rim, stride = [], [], [], []
    for _ in range(axes):
        m = draw(st.sampled_from([1, 2, 4]))
        r = m * draw(st.integers(0, 2))
        stride.append(m)
        rim.append(r)
        window.append(2 * r + m * draw(st.integers(1, 3)))
        shape.append(draw(st.integers(1, 25)))
    return Lattice(tuple(shape), tuple(window), tuple(rim), tuple(stride))


@given(lattices())
def test_cells_cover_each_voxel_exactly_once(lattice: Lattice) -> None:
    seen = np.zeros(lattice.shape, int)
    cells = list(lattice.cells(Box.whole(lattice.shape)))
    for cell in cells:
        seen[cell.box.slices] += 1
    assert (seen == 1).all()
    assert len(cells) == lattice.count(Box.whole(lattice.shape))


@given(lattices())
def test_windows_hold_their_cell_start_on_the_stride_and_hardly_leave_the_image(
    lattice: Lattice,
) -> None:
    for cell in lattice.cells(Box.whole(lattice.shape)):
        assert cell.window.contains(cell.box)
        assert cell.window.shape == lattice.window_shape
        assert all(a % m == 0 for a, m in zip(cell.window.start, lattice.stride, strict=True))
        outside = [b - n for b, n in zip(cell.window.stop, lattice.shape, strict=True)]
        assert all(o < m for o, m in zip(outside, lattice.stride, strict=True))


@given(lattices())
def test_cells_have_a_rim_of_real_context_wherever_the_image_has_it(lattice: Lattice) -> None:
    for cell in lattice.cells(Box.whole(lattice.shape)):
        for a, b, start, stop, rim, n in zip(
            cell.box.start, cell.box.stop, cell.read_box.start, cell.read_box.stop,
            lattice.rim, lattice.shape, strict=True,
        ):  # fmt: skip
            assert start <= max(0, a - rim)
            assert stop >= min(n, b + rim)


@settings(max_examples=50)
@given(lattices(), st.data())
def test_blocks_of_any_shape_meet_the_same_windows(lattice: Lattice, data: st.DataObject) -> None:
    whole = Box.whole(lattice.shape)
    shape = tuple(data.draw(st.integers(1, n)) for n in lattice.shape)
    expected = {cell.box: cell.window for cell in lattice.cells(whole)}
    for block in BlockGrid(whole, shape):
        for cell in lattice.cells(block.write_box):
            assert expected[cell.box] == cell.window
            assert cell.box.intersect(block.write_box).size > 0


@given(lattices(), st.data())
def test_what_a_region_reads_is_what_its_windows_read(
    lattice: Lattice, data: st.DataObject
) -> None:
    start = tuple(data.draw(st.integers(0, n - 1)) for n in lattice.shape)
    stop = tuple(
        data.draw(st.integers(a + 1, n)) for a, n in zip(start, lattice.shape, strict=True)
    )
    region = Box(start, stop)
    seen = np.zeros(lattice.shape, bool)
    for cell in lattice.cells(region):
        seen[cell.read_box.slices] = True
    expected = np.zeros(lattice.shape, bool)
    expected[lattice.read_box(region).slices] = True
    assert np.array_equal(seen, expected)


@given(lattices(), st.data())
def test_blocks_cover_each_voxel_exactly_once(lattice: Lattice, data: st.DataObject) -> None:
    seen = np.zeros(lattice.shape, int)
    grid = BlockGrid(
        Box.whole(lattice.shape), tuple(data.draw(st.integers(1, 9)) for _ in lattice.shape)
    )
    blocks = list(grid)
    for block in blocks:
        seen[block.write_box.slices] += 1
    assert (seen == 1).all()
    assert len(blocks) == len(grid)
    assert len({block.name for block in blocks}) == len(blocks)


def test_a_window_off_the_stride_is_refused_with_one_that_fits() -> None:
    with pytest.raises(InputError, match=r"Nearest that fits: \(32, 96\)"):
        Lattice((100, 100), (30, 96), (0, 16), (8, 16))


def test_a_rim_that_leaves_no_cell_is_refused() -> None:
    with pytest.raises(InputError, match="leaves no cell"):
        Lattice((100,), (32,), (16,), (16,))
