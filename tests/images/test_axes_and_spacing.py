"""What a file says, what the person says, and what stays uncertain."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box
from napari_ziggurat.images import image_from_array, open_image
from napari_ziggurat.images.units import convert_length, long_unit, short_unit


def save(path: Path, *shape: int) -> Path:
    np.save(path, np.arange(np.prod(shape), dtype=np.uint16).reshape(shape))
    return path


def test_two_axes_are_certain(tmp_path: Path) -> None:
    image = open_image(save(tmp_path / "a.npy", 4, 5))
    assert image.axes == Axes("yx")
    assert image.levels[0].spacing.values == (1.0, 1.0)
    assert image.levels[0].spacing.unit is None


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5), (1, 4, 5)])
def test_more_axes_have_to_be_said(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", *shape)
    with pytest.raises(InputError, match=r"does not say which axis is which.*--axes"):
        open_image(path)


def test_said_axes_win_over_the_file() -> None:
    image = image_from_array(np.zeros((2, 3, 4)), axes="tyx")
    assert (image.times, image.dims) == (2, 2)


@pytest.mark.parametrize(
    ("shape", "axes", "kept"),
    [((1, 1, 3, 4, 5), "zyx", (3, 4, 5)), ((2, 1, 4, 5), "cyx", (4, 5)), ((1, 4, 5), "yx", (4, 5))],
)
def test_axes_of_length_1_may_be_left_out(
    shape: tuple[int, ...], axes: str, kept: tuple[int, ...], tmp_path: Path
) -> None:
    path = save(tmp_path / "a.npy", *shape)
    image = open_image(path, axes=axes)
    assert image.levels[0].shape == kept
    expected = np.load(path).reshape(len(image.channels), *kept)
    np.testing.assert_array_equal(image.read(0, Box.whole(kept)), expected)


def test_too_few_axes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"name 2 axes, but .* has 3: shape \(3, 4, 5\)"):
        open_image(save(tmp_path / "a.npy", 3, 4, 5), axes="yx")


def test_labels_that_are_silent_take_axes_and_spacing_from_their_image(tmp_path: Path) -> None:
    arrays = [np.zeros((4, 40, 50)), np.zeros((4, 20, 25))]
    like = image_from_array(arrays, axes="zyx", spacing=(2, 1, 1), unit="um")
    fine = open_image(save(tmp_path / "fine.npy", 4, 40, 50), like=like)
    coarse = open_image(save(tmp_path / "coarse.npy", 4, 20, 25), like=like)
    assert fine.axes == coarse.axes == Axes("zyx")
    assert fine.levels[0] == like.levels[0]
    assert coarse.levels[0] == like.levels[1]
    with pytest.raises(InputError, match="--axes"):
        open_image(save(tmp_path / "other.npy", 4, 40, 51), like=like)


@pytest.mark.parametrize("written", ["CYX", "TYX"])
def test_sections_of_labels_may_be_called_channels_or_times(written: str, tmp_path: Path) -> None:
    like = image_from_array(np.zeros((4, 40, 50)), axes="zyx", spacing=(2, 1, 1), unit="um")
    path = tmp_path / "strokes.ome.tif"
    tifffile.imwrite(path, np.ones((4, 40, 50), np.uint8), metadata={"axes": written})
    labels = open_image(path, like=like)
    assert labels.axes == Axes("zyx")
    assert labels.levels[0] == like.levels[0]


def test_silent_labels_are_stored_like_their_image(tmp_path: Path) -> None:
    voxels = np.arange(4**3, dtype=np.uint8).reshape(4, 4, 4)
    for name in ("image", "labels"):
        np.save(tmp_path / f"{name}.npy", voxels)
    image = open_image(tmp_path / "image.npy", axes="xyz")
    labels = open_image(tmp_path / "labels.npy", like=image)
    box = Box.whole((4, 4, 4))
    np.testing.assert_array_equal(labels.read(0, box), image.read(0, box))


def test_silent_labels_in_another_order_than_their_image_are_told_by_their_shape(
    tmp_path: Path,
) -> None:
    like = open_image(save(tmp_path / "image.npy", 6, 5, 4), axes="xyz")
    assert open_image(save(tmp_path / "a.npy", 6, 5, 4), like=like).axes == Axes("xyz")
    assert open_image(save(tmp_path / "b.npy", 4, 5, 6), like=like).axes == Axes("zyx")


def test_silent_labels_that_may_be_in_two_orders_are_refused(tmp_path: Path) -> None:
    like = image_from_array(np.zeros((4, 5, 4)), axes="xyz")
    with pytest.raises(InputError, match=r"orders xyz and zyx.*OME-TIFF"):
        open_image(save(tmp_path / "a.npy", 4, 5, 4), like=like)


@pytest.mark.parametrize("shape", [(64, 64), (2, 3, 64, 64)])
def test_arrays_with_other_axes_than_said_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="Axes 'zyx' name 3 axes"):
        image_from_array(np.zeros(shape), axes="zyx")


def test_said_spacing_wins_over_the_image_of_the_labels(tmp_path: Path) -> None:
    like = image_from_array(np.zeros((4, 40)), axes="yx", spacing=(2, 1), unit="um")
    path = save(tmp_path / "a.npy", 4, 40)
    spacing = open_image(path, like=like, spacing=(5, 6), unit="nm").levels[0].spacing
    assert (spacing.values, spacing.unit) == ((5.0, 6.0), "nm")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"spacing": (1, 2, 3)}, "one value per spatial axis"),
        ({"spacing": (1, -2)}, "positive"),
        ({"unit": "um"}, "--unit um needs --spacing"),
        ({"axes": "yq"}, "letters"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        open_image(save(tmp_path / "a.npy", 4, 5), **options)


@pytest.mark.parametrize("text", ["um", "µm", "μm", "micron", "Micrometers", "micrometre", " um "])
def test_a_micrometer_has_many_names(text: str) -> None:
    assert short_unit(text) == "um"
    assert long_unit("um") == "micrometer"


@pytest.mark.parametrize("text", [None, "", "pixel", "Pixels", "unknown"])
def test_pixels_are_no_unit(text: str | None) -> None:
    assert short_unit(text) is None


def test_unknown_units_are_kept() -> None:
    assert short_unit("furlong") == long_unit("furlong") == "furlong"
    assert convert_length(1.0, "furlong", "um") is None
    assert convert_length(50.0, "nm", "um") == pytest.approx(0.05)
