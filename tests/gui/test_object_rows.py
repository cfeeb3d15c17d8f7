"""Rows of a table of objects: sorted, filtered, and where they lie in a layer."""

import numpy as np
import pytest

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.objects.grid import ObjectGrid
from napari_ziggurat.gui.objects.rows import Rows

ROWS = Rows(
    {
        "index": np.array([1, 2, 3, 4]),
        "class_name": np.array(["body", "spot", "spot", "shell"], object),
        "volume": np.array([9.0, 2.5, 30.0, 2.5]),
        "at_border": np.array([True, False, False, True]),
    }
)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("", [1, 2, 3, 4]),
        ("volume>2.5", [1, 3]),
        ("volume <= 2.5, spot", [2]),
        ("class_name!=spot", [1, 4]),
        ("SPO", [2, 3]),
        ("4", [4]),
        ("at_border=true", [1, 4]),
        ("volume>2.5,", [1, 3]),
        ("nothing of this kind", []),
    ],
)
def test_rows_of_which_all_parts_are_so_are_shown(words: str, numbers: list[int]) -> None:
    assert ROWS.columns["index"][ROWS.order(words)].tolist() == numbers


def test_rows_are_sorted_within_what_is_filtered_and_equal_ones_keep_their_order() -> None:
    def sorted_by(words: str, by: str, *, descending: bool = False) -> list[int]:
        found: list[int] = ROWS.columns["index"][
            ROWS.order(words, by, descending=descending)
        ].tolist()
        return found

    assert sorted_by("", "volume") == [2, 4, 1, 3]
    assert sorted_by("spot", "volume", descending=True) == [3, 2]
    assert sorted_by("", "class_name") == [1, 4, 2, 3]


def test_a_filter_that_is_not_understood_says_what_there_is() -> None:
    with pytest.raises(InputError, match="no column 'size'; there are index, class_name"):
        ROWS.order("size>3")
    with pytest.raises(InputError, match=r"holds numbers and 'large' is none"):
        ROWS.order("volume>large")


def test_the_box_of_a_row_is_found_in_a_layer_of_other_axes() -> None:
    grid = ObjectGrid("zyx", (2.0, 0.5, 0.5), (10.0, 0.0, -1.0))
    row = {"z_start": 11.0, "z_stop": 15.0, "y_start": 1.75, "y_stop": 2.75}
    row |= {"x_start": -1.25, "x_stop": -0.75, "time": 3, "z": 13.0, "y": 2.25, "x": -1.0}
    # Voxel i reaches from i - 0.5 to i + 0.5: 11 is the outer edge of voxel 1, 15 that of voxel 2.
    assert grid.box(row, "zyx", (20, 20, 20)) == Box((1, 4, 0), (3, 6, 1))
    assert grid.box(row, "txcyz", (5, 20, 2, 20, 20)) == Box((3, 0, 0, 4, 1), (4, 1, 2, 6, 3))
    assert grid.point(row) == {"z": 1.5, "y": 4.5, "x": 0.0}
    assert grid.point({k: v for k, v in row.items() if "_" in k}) == grid.point(row)
    named = {"axis-0": 13.0, "axis-1": 2.25, "axis-2": -1.0}
    assert grid.point(named) == grid.point(row)
    timed = {"axis-0": 3, "axis-1": 13.0, "axis-2": 2.25, "axis-3": -1.0}
    assert grid.point(timed) == {"z": 1.5, "y": 4.5, "x": 0.0, "t": 3.0}


def test_a_row_without_a_place_has_none() -> None:
    grid = ObjectGrid("yx", (1.0, 1.0), (0.0, 0.0))
    for row in ({}, {"y": 1.0}, {"y_start": "a", "y_stop": 2, "x_start": 0, "x_stop": 1}):
        assert grid.box(row, "yx", (9, 9)) is None
        assert grid.point(row) is None
