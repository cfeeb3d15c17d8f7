"""The planner follows its rules, says why, and never makes what cannot be built."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box, Lattice, Spacing
from napari_ziggurat.training.planner import Machine, Wishes, design, fit_windows

CPU, GPU = Machine(False, 8 << 30), Machine(True, 16 << 30)


@given(st.data())
def test_any_image_gets_a_design_that_can_be_built(data: st.DataObject) -> None:
    axes = data.draw(st.integers(2, 3))
    shape = tuple(data.draw(st.integers(1, 3000)) for _ in range(axes))
    spacing = Spacing(tuple(data.draw(st.floats(0.01, 20)) for _ in range(axes)), "um")
    found = design([shape], spacing, data.draw(st.sampled_from([CPU, GPU])), Wishes())
    topology = found.topology(1, 2)
    stride = (1,) * (axes - found.dims) + topology.total_stride
    assert all(p % m == 0 for p, m in zip(found.patch, stride, strict=True))
    lattice = Lattice(shape, found.window, found.rim, stride)
    assert all(c > 0 for c in lattice.cell_shape)
    assert len(found.reasons) >= 4


def test_coarse_axes_are_halved_later_and_their_kernels_are_flat() -> None:
    found = design([(200, 800, 800)], Spacing((4.0, 1.0, 1.0), "um"), CPU, Wishes())
    assert found.dims == 3
    assert found.strides[:3] == ((1, 1, 1), (1, 2, 2), (1, 2, 2))
    assert found.kernels[:3] == ((1, 3, 3), (1, 3, 3), (3, 3, 3))
    assert found.in_plane


def test_thick_sections_are_seen_one_by_one_unless_asked_otherwise() -> None:
    spacing = Spacing((50.0, 5.0, 5.0), "nm")
    found = design([(20, 1000, 500)], spacing, CPU, Wishes())
    assert found.dims == 2
    assert found.patch[0] == found.window[0] == 1
    assert "10.0 times thicker" in found.reasons[0]
    assert design([(20, 1000, 500)], spacing, CPU, Wishes(dims=3)).dims == 3


def test_wishes_are_kept() -> None:
    wishes = Wishes(patch=(64, 96), batch=3, depth=3, features=5)
    found = design([(500, 500)], Spacing((1.0, 1.0)), CPU, wishes)
    assert (found.patch, found.batch, found.features) == ((64, 96), 3, (5, 10, 20))


def test_a_depth_that_the_patch_does_not_allow_is_refused() -> None:
    large_enough = Wishes(patch=(128, 128), depth=6)
    assert len(design([(500, 500)], Spacing((1.0, 1.0)), CPU, large_enough).strides) == 6
    with pytest.raises(InputError, match=r"halved to 4 levels.* takes a patch of 128 x 128"):
        design([(500, 500)], Spacing((1.0, 1.0)), CPU, Wishes(patch=(32, 32), depth=6))


def test_the_patch_that_a_depth_takes_follows_the_spacing() -> None:
    thick = Spacing((4.0, 1.0, 1.0), "um")
    with pytest.raises(InputError, match=r"--depth 5 .* takes a patch of 16 x 64 x 64"):
        design([(99, 500, 500)], thick, CPU, Wishes(patch=(8, 32, 32), depth=5))
    found = design([(99, 500, 500)], thick, CPU, Wishes(patch=(16, 64, 64), depth=5))
    assert len(found.strides) == 5


@pytest.mark.parametrize("patch", [(48, 48, 48), (64, 64, 64)])
def test_the_rim_of_a_volume_costs_less_than_one_and_a_half_cells(patch: tuple[int, ...]) -> None:
    found = design([(300, 300, 300)], Spacing((1.0,) * 3), CPU, Wishes(patch=patch))
    assert (found.window, found.rim) == ((128,) * 3, (16,) * 3)
    lattice = Lattice((960,) * 3, found.window, found.rim, (16,) * 3)
    computed = lattice.count(Box.whole(lattice.shape)) * 128**3
    assert computed / 960**3 < 2.5


def test_windows_fit_a_network_with_coarser_levels_of_its_own() -> None:
    found = design([(500, 500)], Spacing((1.0, 1.0)), CPU, Wishes(patch=(36, 36), depth=3))
    fitted = fit_windows(found, (32, 32), CPU)
    assert found.window == (144, 144)
    assert fitted.window == (256, 256)
    Lattice((500, 500), fitted.window, fitted.rim, (32, 32))  # refuses what is no multiple
    assert "256 x 256" in fitted.reasons[-1]
    assert fit_windows(found, (4, 4), CPU) is found


def test_a_patch_that_is_rounded_up_says_so() -> None:
    found = design([(99, 500, 500)], Spacing((1.0,) * 3), CPU, Wishes(patch=(30, 100, 100)))
    assert found.patch == (32, 104, 104)
    assert "as given, 30 x 100 x 100, rounded up" in found.reasons[1]
    exact = design([(500, 500)], Spacing((1.0, 1.0)), CPU, Wishes(patch=(64, 64)))
    assert "the patch as given" in exact.reasons[1]
    assert "quickly" not in exact.reasons[1]


def test_little_memory_makes_the_batch_smaller_and_then_the_patch() -> None:
    shapes, spacing = [(200, 800, 800)], Spacing((1.0,) * 3)
    much = design(shapes, spacing, CPU, Wishes())
    some = design(shapes, spacing, Machine(False, 400 << 20), Wishes())
    less = design(shapes, spacing, Machine(False, 100 << 20), Wishes())
    assert (some.patch, some.batch) == (much.patch, 1)
    assert math.prod(less.patch) < math.prod(some.patch)
    assert any("of memory" in reason for reason in less.reasons)
    assert not any("of memory" in reason for reason in much.reasons)


def test_what_was_asked_for_is_not_made_smaller() -> None:
    wishes = Wishes(patch=(64, 64), batch=4)
    found = design([(500, 500)], Spacing((1.0, 1.0)), Machine(False, 1 << 20), wishes)
    assert (found.patch, found.batch) == ((64, 64), 4)
    assert any("more than the" in reason for reason in found.reasons)


@pytest.mark.parametrize("wishes", [Wishes(dims=3), Wishes(patch=(8, 8, 8))])
def test_wishes_that_cannot_be_met_are_refused(wishes: Wishes) -> None:
    with pytest.raises(InputError):
        design([(500, 500)], Spacing((1.0, 1.0)), CPU, wishes)


def test_a_2d_network_takes_patches_of_one_section() -> None:
    wishes = Wishes(dims=2, patch=(8, 64, 64))
    with pytest.raises(InputError, match="--patch 1,64,64"):
        design([(50, 500, 500)], Spacing((1.0,) * 3), CPU, wishes)


def test_a_network_that_there_is_keeps_its_levels() -> None:
    thick = Spacing((10.0, 1.0, 1.0), "um")
    shapes = [(16, 64, 64)]
    first = design(shapes, thick, CPU, Wishes(dims=3, patch=(8, 32, 32)))
    topology = first.topology(1, 2)
    found = design(shapes, thick, CPU, Wishes(), topology)
    assert found.dims == 3
    assert found.topology(1, 2) == topology
    tiny = design([(3, 5, 6)], thick, CPU, Wishes(), topology)
    assert all(p >= 2 * m for p, m in zip(tiny.patch, topology.total_stride, strict=True) if m > 1)
    assert all(p % m == 0 for p, m in zip(found.patch, topology.total_stride, strict=True))
