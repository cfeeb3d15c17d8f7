"""The planner follows its rules, says why, and never makes what cannot be built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Lattice, Spacing
from napari_ziggurat.training.planner import Machine, Wishes, design

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


@pytest.mark.parametrize("wishes", [Wishes(dims=3), Wishes(patch=(8, 8, 8))])
def test_wishes_that_cannot_be_met_are_refused(wishes: Wishes) -> None:
    with pytest.raises(InputError):
        design([(500, 500)], Spacing((1.0, 1.0)), CPU, wishes)
