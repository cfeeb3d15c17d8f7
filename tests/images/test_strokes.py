"""Strokes: few, thin, in few planes, and never across the border of a class."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.samples import draw_plane, draw_volume
from napari_ziggurat.images.strokes import draw_strokes

Labels = NDArray[np.integer]


@pytest.fixture(scope="module")
def labels() -> Labels:
    return draw_volume((24, 128, 128), seed=2).labels


@pytest.mark.parametrize("fraction", [0.001, 0.01, 0.05])
def test_no_more_is_painted_than_allowed_and_not_much_less(labels: Labels, fraction: float) -> None:
    painted = np.count_nonzero(draw_strokes(labels, fraction)) / labels.size
    assert 0.8 * fraction <= painted <= fraction


def test_each_stroke_says_the_truth(labels: Labels) -> None:
    strokes = draw_strokes(labels)
    painted = strokes > 0
    expected = np.where(labels == 0, 255, labels)
    np.testing.assert_array_equal(strokes[painted], expected[painted])
    assert set(np.unique(strokes)) == {0, 1, 2, 3, 255}


def test_only_a_few_planes_are_painted(labels: Labels) -> None:
    strokes = draw_strokes(labels, planes=3)
    assert np.count_nonzero(strokes.any(axis=(1, 2))) <= 3 + 3


def test_strokes_are_thin(labels: Labels) -> None:
    strokes = draw_strokes(labels, 0.002)
    depth = max(ndimage.distance_transform_edt(np.pad(p > 0, 1)).max() for p in strokes)
    assert depth <= 6  # five pixels wide; two that cross are somewhat wider


def test_class_that_shows_in_one_plane_only_is_found() -> None:
    labels = np.zeros((40, 64, 64), np.uint8)
    labels[:, 10:30, 10:30] = 1
    labels[33, 40:60, 40:60] = 2
    strokes = draw_strokes(labels, planes=2)
    assert (strokes == 2).any()


def test_background_is_painted_next_to_objects_too() -> None:
    labels = np.zeros((256, 256), np.uint8)
    labels[120:136, 120:136] = 1
    strokes = draw_strokes(labels, 0.01)
    near = ndimage.binary_dilation(labels, iterations=16) & (labels == 0)
    share_near = np.count_nonzero(strokes[near]) / np.count_nonzero(strokes == 255)
    assert share_near > 5 * np.count_nonzero(near) / labels.size


def test_a_plane_can_be_painted() -> None:
    labels = draw_plane((128, 128)).labels
    strokes = draw_strokes(labels, 0.02)
    assert strokes.shape == labels.shape
    assert set(np.unique(strokes)) == {0, 1, 2, 3, 255}


def test_same_seed_paints_the_same_and_another_seed_another(labels: Labels) -> None:
    first, again, other = (draw_strokes(labels, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (np.zeros((4, 4, 4, 4), int), {}, "2D or 3D"),
        (np.full((8, 8), 255), {}, "from 0 to 254"),
        (np.zeros((8, 8), int), {"fraction": 0.0}, "fraction"),
        (np.zeros((8, 8), int), {"planes": 0}, "plane"),
    ],
)
def test_what_cannot_be_painted_is_refused(
    labels: Labels, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        draw_strokes(labels, **options)
