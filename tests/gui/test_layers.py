"""Layers in the words of the package: axes, spacing, units, place, colours."""

from typing import Any

import numpy as np
import pytest

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.geometry import Spacing

napari_layers = pytest.importorskip("napari.layers", reason="napari is not installed")
pytestmark = pytest.mark.gui


def image(shape: tuple[int, ...] = (4, 5, 6), **options: Any) -> Any:
    return napari_layers.Image(np.zeros(shape, np.uint8), **options)


def test_axis_labels_say_the_axes() -> None:
    from napari_ziggurat.gui.layers import axes_choices

    assert axes_choices(image(axis_labels=("c", "y", "x"))) == ("cyx",)


def test_without_labels_there_are_choices() -> None:
    from napari_ziggurat.gui.layers import axes_choices

    assert axes_choices(image((5, 6))) == ("yx",)
    assert set(axes_choices(image())) == {"zyx", "tyx", "cyx"}
    assert set(axes_choices(image(axis_labels=("a", "b", "c")))) == {"zyx", "tyx", "cyx"}
    assert set(axes_choices(image((2, 3, 4, 5)))) == {"czyx", "zcyx", "tzyx", "tcyx"}
    assert axes_choices(image((5, 6, 3), rgb=True)) == ("yx",)
    assert axes_choices(image((1, 1, 2, 3, 4, 5))) == ()


@pytest.mark.parametrize(
    ("options", "axes"),
    [
        ({}, ""),
        ({"scale": (1, 0.5, 0.5)}, ""),
        ({"axis_labels": ("t", "y", "x")}, "tyx"),
        ({"units": ("s", "um", "um")}, "tyx"),
        ({"units": ("um",) * 3}, "zyx"),
        ({"scale": (4, 0.5, 0.5)}, "zyx"),
        ({"scale": (4, 0.5, 0.5), "units": ("s", "um", "um")}, "tyx"),
    ],
)
def test_what_the_first_of_three_axes_is_follows_from_label_unit_and_scale(
    options: dict[str, Any], axes: str
) -> None:
    from napari_ziggurat.gui.layers import likely_axes

    assert likely_axes(image(**options)) == axes


def test_axes_that_may_be_several_are_never_taken_as_likely() -> None:
    from napari_ziggurat.gui.layers import likely_axes

    assert likely_axes(image((5, 6))) == "yx"
    assert likely_axes(image((2, 3, 4, 5), scale=(9, 1, 1, 1))) == ""


@pytest.mark.parametrize(
    ("options", "spacing"),
    [
        ({}, Spacing((1.0, 1.0, 1.0))),
        ({"scale": (4, 2, 2)}, Spacing((4.0, 2.0, 2.0))),
        ({"scale": (4, 2, -2), "units": ("um",) * 3}, Spacing((4.0, 2.0, 2.0), "um")),
        ({"scale": (1, 4, 4), "units": ("um", "nm", "nm")}, Spacing((1000.0, 4.0, 4.0), "nm")),
        ({"scale": (1, 4, 4), "units": ("s", "nm", "nm")}, Spacing((1.0, 4.0, 4.0))),
    ],
)
def test_scale_and_units_give_the_spacing(options: dict[str, Any], spacing: Spacing) -> None:
    from napari_ziggurat.gui.layers import layer_spacing

    found = layer_spacing(image(**options), "zyx")
    assert found.unit == spacing.unit
    np.testing.assert_allclose(found.values, spacing.values)


def test_units_that_napari_does_not_know_become_pixels() -> None:
    from napari_ziggurat.gui.layers import layer_units

    assert layer_units("tyx", "um") == ("pixel", "um", "um")
    assert layer_units("yx", "furlong per pint of ale") == ("pixel", "pixel")
    assert layer_units("yx", None) == ("pixel", "pixel")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": (4, 0.5, 0.5), "translate": (3, -7, 11)},
        {"scale": (4, 0.5, 0.5), "translate": (3, -7, 11), "rotate": (0, 20, 30)},
        {"scale": (2, 1, 1), "shear": (0.1, 0.2, 0.3), "translate": (5, 5, 5)},
        {"scale": (2, 1, 1), "affine": np.diag((3.0, 2.0, 2.0, 1.0))},
    ],
)
def test_a_part_lies_where_its_voxels_lie(options: dict[str, Any]) -> None:
    from napari_ziggurat.gui.layers import Placement

    whole = image(**options)
    (offset, factors) = (np.array((1, 2.5, 3.5)), np.array((1, 2, 2)))
    part = image((2, 2, 2), **Placement.of(whole).part(offset, factors))
    for voxel in np.ndindex(2, 2, 2):
        wanted = whole.data_to_world(offset + factors * voxel)
        np.testing.assert_allclose(part.data_to_world(voxel), wanted)
    assert part.units == whole.units
    assert part.axis_labels == whole.axis_labels


def test_classes_have_their_colour_and_their_name() -> None:
    from napari_ziggurat.gui.layers import class_colormap, class_features

    classes = (LabelClass(0, "background", "#000000"), LabelClass(2, "cell", "#ff0000"))
    (background, cell, unknown) = class_colormap(classes).map([0, 2, 7])
    assert cell.tolist() == [1, 0, 0, 1]
    assert background[3] == unknown[3] == 0
    assert class_features(classes) == {"index": [2], "class": ["cell"]}


def test_the_facts_are_those_of_the_image() -> None:
    from napari_ziggurat.gui.layers import facts

    levels = [np.zeros((10, 400, 300), np.uint16), np.zeros((10, 200, 150), np.uint16)]
    layer = napari_layers.Image(
        levels, multiscale=True, scale=(2, 0.5, 0.5), units=("um",) * 3, contrast_limits=(0, 1)
    )
    said = facts(layer, "zyx").replace("\N{NO-BREAK SPACE}", " ")
    assert said == "10 × 400 × 300 · uint16 · 2.4 MB\n2 × 0.5 × 0.5 µm · 2 levels"
    assert facts(image((20, 30, 3), rgb=True), "yx").startswith("20 × 30 · RGB · 1.8 kB")
