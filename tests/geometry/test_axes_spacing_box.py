"""Axes, spacing and boxes: what is accepted, what is refused, and how they compute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box, Spacing

boxes = st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 30)), min_size=1, max_size=3).map(
    lambda p: Box(tuple(a for a, _ in p), tuple(a + n for a, n in p))
)


@pytest.mark.parametrize(("names", "spatial"), [("yx", "yx"), ("xyz", "zyx"), ("tczyx", "zyx")])
def test_spatial_axes_are_in_the_order_used_inside(names: str, spatial: str) -> None:
    assert Axes(names).spatial == spatial


@pytest.mark.parametrize("names", ["zy", "zyxx", "qyx", ""])
def test_impossible_axes_are_refused(names: str) -> None:
    with pytest.raises(InputError):
        Axes(names)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_spacing_must_be_positive_and_finite(value: float) -> None:
    with pytest.raises(InputError, match="--spacing"):
        Spacing((1.0, value), "um")


def test_spacing_ratio_is_relative_to_the_finest_axis() -> None:
    assert Spacing((50.0, 5.0, 5.0), "nm").ratio == (10.0, 1.0, 1.0)


@given(boxes)
def test_a_box_survives_being_written_and_read(box: Box) -> None:
    assert Box.parse(str(box)) == box


@pytest.mark.parametrize("text", ["", "1:2:3", "a:b", "5", "3:1"])
def test_unreadable_boxes_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        Box.parse(text)


@given(boxes, st.data())
def test_intersection_is_what_both_contain(box: Box, data: st.DataObject) -> None:
    other = data.draw(boxes.filter(lambda b: b.ndim == box.ndim))
    both = box.intersect(other)
    assert both.size == 0 or (box.contains(both) and other.contains(both))
    assert both == other.intersect(box) or both.size == 0
