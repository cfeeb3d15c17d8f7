"""Windows that blend share every voxel out completely, whatever the shapes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.geometry import BlockGrid, Box, Lattice, blend_weights


@st.composite
def lattices(draw: st.DrawFn) -> Lattice:
    axes = draw(st.integers(1, 3))
    stride = tuple(draw(st.sampled_from([1, 2, 4])) for _ in range(axes))
    rim = tuple(m * draw(st.integers(0, 3)) for m in stride)
    cell = [m * draw(st.integers(1, 4)) for m in stride]
    window = tuple(c + 2 * r for c, r in zip(cell, rim, strict=True))
    shape = tuple(draw(st.integers(1, 14)) for _ in range(axes))
    return Lattice(shape, window, rim, stride, blend=draw(st.booleans()))


@settings(max_examples=40)
@given(lattices(), st.data())
def test_weights_add_up_to_one_in_every_box(lattice: Lattice, data: st.DataObject) -> None:
    start = tuple(data.draw(st.integers(0, n - 1)) for n in lattice.shape)
    stop = tuple(
        data.draw(st.integers(a + 1, n)) for a, n in zip(start, lattice.shape, strict=True)
    )
    box = Box(start, stop)
    total = np.zeros(box.shape, np.float32)
    for cell in lattice.cells(box):
        weights = np.broadcast_to(blend_weights(lattice, cell, box), box.shape)
        assert weights.min() >= 0
        outside = np.ones(box.shape, bool)
        outside[cell.window.intersect(box).relative_to(box.start).slices] = False
        assert not weights[outside].any(), "a window counts where it was not computed"
        total += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(max_examples=40)
@given(lattices())
def test_without_blending_a_window_decides_its_cell_alone(lattice: Lattice) -> None:
    plain = Lattice(lattice.shape, lattice.window, lattice.rim, lattice.stride)
    whole = Box.whole(lattice.shape)
    for cell in plain.cells(whole):
        weights = np.broadcast_to(blend_weights(plain, cell, whole), whole.shape)
        wanted = np.zeros(whole.shape)
        wanted[cell.box.slices] = 1
        np.testing.assert_array_equal(weights, wanted)


@settings(max_examples=40)
@given(lattices(), st.data())
def test_the_windows_of_a_grid_are_counted_without_walking_it(
    lattice: Lattice, data: st.DataObject
) -> None:
    start = tuple(data.draw(st.integers(0, n - 1)) for n in lattice.shape)
    block = tuple(data.draw(st.integers(3, 20)) for _ in lattice.shape)
    grid = BlockGrid(Box(start, lattice.shape), block)
    assert lattice.total(grid) == sum(lattice.count(each.write_box) for each in grid)
    assert all(
        lattice.count(each.write_box) == len(list(lattice.cells(each.write_box))) for each in grid
    )
