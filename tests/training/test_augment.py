"""Augmentation keeps the shape of a patch."""

import numpy as np
import pytest

from napari_ziggurat.training.augment import Augmentation, Symmetry


@pytest.mark.parametrize("shape", [(16, 24), (4, 16, 24), (16, 16)])
def test_patches_keep_their_shape(shape: tuple[int, ...]) -> None:
    square = shape[-1] == shape[-2]
    augment = Augmentation(Symmetry(len(shape), mirror=True, in_plane=True, square=square))
    image, target = np.zeros((1, *shape), np.float32), np.ones(shape, np.uint8)
    for seed in range(20):
        changed = augment(image, target, seed)
        assert [part.shape for part in changed] == [image.shape, target.shape]


def test_square_patches_are_turned_by_quarters() -> None:
    augment = Augmentation(Symmetry(2, mirror=True, in_plane=False))
    target = np.zeros((16, 16), np.uint8)
    target[:8] = 1
    image = np.zeros((1, 16, 16), np.float32)
    found = [augment(image, target, seed)[1] for seed in range(40)]
    assert any(np.array_equal(each, target.T) for each in found)
