"""Upsampling: linear between the centres of coarse voxels, one voxel independent of the others."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.geometry import Box, Upsampling

# Fine 24 x 20 x 30; the coarse grid has the same z, and ratios that are neither equal nor whole.
ODD = Upsampling.between(
    ((0.3, 0.1, 0.1), (1.0, 0.0, 0.5)), ((0.3, 0.25, 0.17), (1.0, 0.08, 0.53)), (24, 8, 18)
)
FINE = (24, 20, 30)
VALUES = np.random.default_rng(0).random((2, *ODD.shape), np.float32)


def read(box: Box) -> np.ndarray:
    """Voxels of a box, made of no more coarse voxels than it needs."""
    needed = ODD.support(box)
    return ODD(VALUES[(slice(None), *needed.slices)], needed.start, box)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    edges = [sorted(draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))) for n in FINE]
    return Box(tuple(a for a, _ in edges), tuple(b + 1 for _, b in edges))


@given(boxes())
def test_any_box_has_the_bits_of_the_whole(box: Box) -> None:
    whole = ODD(VALUES, (0, 0, 0), Box.whole(FINE))
    assert np.array_equal(read(box), whole[(slice(None), *box.slices)])


@given(boxes())
def test_a_box_needs_no_coarse_voxel_more_than_lie_around_it(box: Box) -> None:
    needed = ODD.support(box)
    assert Box.whole(ODD.shape).contains(needed)
    sizes = zip(needed.shape, box.shape, ODD.step, strict=True)
    assert all(n < (b - 1) * step + 3 + 1e-9 for n, b, step in sizes)


def test_what_is_linear_in_space_stays_so_between_the_centres_of_coarse_voxels() -> None:
    y = np.arange(8) * 0.25 + 0.08
    values = np.broadcast_to(y[None, None, :, None], (1, *ODD.shape)).astype(np.float32)
    found = ODD(values, (0, 0, 0), Box.whole(FINE))[0, 0, :, 0]
    expected = np.clip(np.arange(20) * 0.1, y[0], y[-1])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_axis_that_both_grids_have_is_left_as_it_is() -> None:
    same = Upsampling.between(((0.1,), (0.3,)), ((0.1,), (0.3,)), (1000,))
    values = np.random.default_rng(0).random(1000, np.float32)
    assert same.support(Box((990,), (1000,))) == Box((990,), (1000,))
    assert np.array_equal(same(values, (0,), Box((0,), (1000,))), values)


def test_constant_probabilities_stay_exactly_what_they_are() -> None:
    values = np.full((1, *ODD.shape), 0.3, np.float32)
    assert (ODD(values, (0, 0, 0), Box.whole(FINE)) == np.float32(0.3)).all()
