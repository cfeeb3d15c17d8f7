"""A coarser view of an image is read from where it is stored, and made where it is not."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Spacing
from napari_ziggurat.images import Image, Level, image_from_array
from napari_ziggurat.images import coarser as coarser_module
from napari_ziggurat.images.coarser import CoarserImage, averaged

PLANE = np.random.default_rng(0).integers(0, 255, (21, 35), dtype=np.uint8)


def pyramid(
    arrays: Sequence[NDArray[np.uint8]], factors: Sequence[int], shift: float = 0.0
) -> Image:
    """Give an image with levels, whose centres lie as they should but for a shift."""
    image = image_from_array(arrays[0], axes="yx")
    levels = tuple(
        Level(a.shape, Spacing((float(f),) * 2), ((f - 1) / 2 + shift * (f > 1),) * 2)
        for a, f in zip(arrays, factors, strict=True)
    )
    values = {name: getattr(image, name) for name in Image.__dataclass_fields__}
    return Image(**values | {"arrays": tuple(arrays), "levels": levels})


def by_hand(voxels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    missing = [(0, -n % factor) for n in voxels.shape]
    whole = np.pad(voxels, missing, mode="edge").astype(float)
    parts = whole.reshape(whole.shape[0] // factor, factor, -1, factor)
    return np.rint(parts.mean(axis=(1, 3))).astype(np.uint8)


def test_voxels_are_averaged_where_no_level_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    found = CoarserImage(image_from_array(PLANE, axes="yx"), 0, (4, 4))
    assert found.stored is None
    expected = by_hand(PLANE, 4)
    assert np.array_equal(found.read(Box.whole(found.shape))[0], expected)
    monkeypatch.setattr(coarser_module, "_AVERAGED_VOXELS", 64)  # in small pieces
    assert np.array_equal(found.read(Box.whole(found.shape))[0], expected)
    around = np.pad(expected, ((3, 8), (20, 4)), mode="symmetric")
    assert np.array_equal(found.read(Box((-3, -20), (14, 13)))[0], around)


@pytest.mark.parametrize("rounded_down", [False, True])
def test_a_level_is_read_where_it_lies_just_there(rounded_down: bool) -> None:
    half, quarter = by_hand(PLANE, 2), by_hand(PLANE, 4)
    if rounded_down:
        quarter = quarter[:5, :8]
    image = pyramid([PLANE, half, quarter + 1], [1, 2, 4])
    found = CoarserImage(image, 0, (4, 4))
    assert found.stored == 2
    expected = np.pad(quarter + 1, [(0, n - m) for n, m in zip((6, 9), quarter.shape, strict=True)],
                      mode="edge")  # fmt: skip
    assert np.array_equal(found.read(Box.whole((6, 9)))[0], expected)
    assert np.array_equal(found.read(Box((5, 8), (6, 9)))[0], expected[5:, 8:])
    assert rounded_down or CoarserImage(image, 1, (2, 2)).stored == 2
    assert CoarserImage(image, 0, (4, 2)).stored is None


def test_a_level_that_is_shifted_against_its_voxels_is_not_taken_for_their_means() -> None:
    image = pyramid([PLANE, by_hand(PLANE, 2)], [1, 2], shift=-0.5)
    assert CoarserImage(image, 0, (2, 2)).stored is None


def test_means_do_not_depend_on_what_else_is_read() -> None:
    voxels = np.random.default_rng(0).normal(size=(1, 24, 36)).astype(np.float32)
    whole = averaged(voxels, (1, 4, 6))
    assert np.array_equal(averaged(voxels[:, 8:20, 12:24], (1, 4, 6)), whole[:, 2:5, 2:4])
    np.testing.assert_allclose(whole, voxels.reshape(1, 6, 4, 6, 6).mean(axis=(2, 4)), atol=1e-6)
