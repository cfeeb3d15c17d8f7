"""Volumes that do not fit into memory are read through one cache, which keeps to the rest."""

from dataclasses import replace

import numpy as np

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.training.in_memory import cache_the_rest, hold_what_fits, kept_bytes
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume

CODE = LabelCode((0, 1), dense=False, foreground=False)


class Counted:
    """An array that counts how often it is read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.count, self.chunks = array, 0, (64, 64)
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        self.count += 1
        return self.array[key]


def volume(side: int) -> tuple[LabelledVolume, Counted]:
    voxels = np.random.default_rng(0).integers(0, 2, (side, side), dtype=np.uint8)
    image, labels = image_from_array(voxels, axes="yx"), image_from_array(voxels, axes="yx")
    counted = Counted(voxels)
    return LabelledVolume(replace(image, arrays=(counted,)), labels, 0, 0, CODE), counted


def test_what_does_not_fit_is_read_once_for_patches_that_lie_together() -> None:
    (small, _), (large, counted) = volume(64), volume(512)
    budget = small.bytes + 256 * 256 + 256 * 512  # a block of the image, one of the labels
    held, cached = cache_the_rest(hold_what_fits([small, large], budget), budget)
    assert held.held is not None
    assert held.cache is None
    assert cached.held is None
    boxes = [Box((a, a), (a + 100, a + 100)) for a in (10, 50, 150)]
    for box in boxes[:2]:
        image, target = cached.read(box)
        np.testing.assert_array_equal(image[0], counted.array[box.slices])
        np.testing.assert_array_equal(target, CODE.encode(counted.array[box.slices]))
    assert counted.count == 1
    assert kept_bytes([held, cached]) == budget


def test_without_a_budget_nothing_is_kept() -> None:
    large, counted = volume(512)
    (volume_,) = cache_the_rest(hold_what_fits([large], 1000), 0)
    for _ in range(2):
        volume_.read(Box((0, 0), (10, 10)))
    assert counted.count == 2
    assert kept_bytes([volume_]) == 0
