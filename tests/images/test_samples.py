"""Drawn samples: three classes of very different size, told apart by everything but brightness."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.threshold import threshold_dice
from napari_ziggurat.images.samples import Drawn, draw_plane, draw_volume


@pytest.fixture(scope="module")
def volume() -> Drawn:
    return draw_volume((48, 256, 256), seed=1)


def _typical_width(drawn: Drawn, value: int) -> float:
    """Edge of the cube that is as large as the typical object of a class, in physical units."""
    objects, _ = ndimage.label(drawn.labels == value)
    sizes = np.bincount(objects.ravel())[1:]
    return float(np.cbrt(np.median(sizes) * np.prod(drawn.spacing.values)))


def test_image_and_labels_share_shape_and_hold_all_classes(volume: Drawn) -> None:
    assert volume.image.shape == volume.labels.shape == (48, 256, 256)
    assert volume.image.dtype == volume.labels.dtype == np.uint8
    assert set(np.unique(volume.labels)) == {0, *(c.value for c in volume.classes)}
    assert volume.spacing.ratio == (4.0, 1.0, 1.0)


def test_largest_objects_are_eight_times_as_wide_as_the_smallest(volume: Drawn) -> None:
    widths = [_typical_width(volume, c.value) for c in volume.classes]
    assert widths[0] > 2 * widths[1] > 4 * widths[2]
    assert widths[0] >= 8 * widths[2]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("draw", "shape"), [(draw_volume, (24, 128, 128)), (draw_plane, (256, 256))]
)
def test_no_threshold_finds_the_classes(
    draw: Callable[..., Drawn], shape: tuple[int, ...], seed: int
) -> None:
    drawn = draw(shape, seed)
    values = [c.value for c in drawn.classes]
    dice = threshold_dice(drawn.image, drawn.labels, values)
    assert np.mean(list(dice.values())) < 0.5
    any_object = threshold_dice(drawn.image, (drawn.labels > 0).astype(np.uint8), [1])
    assert any_object[1] < 0.6


def test_light_falls_unevenly() -> None:
    image = draw_plane((256, 256)).image
    means = image.reshape(4, 64, 4, 64).mean(axis=(1, 3))
    assert means.max() > 1.3 * means.min()


def test_same_seed_draws_the_same_and_another_seed_another() -> None:
    first, again, other = (draw_volume((16, 64, 64), seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.labels != other.labels).any()


def test_plane_is_the_volume_in_two_dimensions() -> None:
    plane = draw_plane((96, 128))
    assert plane.image.shape == (96, 128)
    assert len(plane.spacing.values) == 2
    assert plane.classes == draw_volume((8, 32, 32)).classes


@pytest.mark.parametrize("shape", [(4, 64, 64), (64, 64), (16, 16, 16)])
def test_shape_that_holds_nothing_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least"):
        draw_volume(shape)
