"""Validation takes few patches from images of any size."""

import numpy as np

from napari_ziggurat.geometry import BlockGrid, Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.training import validation
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume

CODE = LabelCode((0, 1), dense=True, foreground=False)


class Huge:
    """An array that is never read."""

    dtype = np.dtype(np.uint8)

    def __init__(self, *shape: int) -> None:
        self.shape = shape


def volume(*shape: int) -> LabelledVolume:
    image = image_from_array(Huge(*shape), axes="zyx")
    return LabelledVolume(image, image, 0, 0, CODE)


def test_patches_are_those_that_a_whole_list_would_give() -> None:
    volumes, patch = [volume(20, 33, 40), volume(5, 6, 7), volume(9, 64, 64)], (4, 8, 8)
    whole = [
        (number, block.write_box)
        for number, each in enumerate(volumes)
        for block in BlockGrid(Box.whole(each.shape), patch)
    ]
    expected = whole[:: -(-len(whole) // validation.MOST_PATCHES)]
    assert list(validation.spread_patches(volumes, patch)) == expected


def test_a_huge_image_is_not_listed() -> None:
    found = list(validation.spread_patches([volume(50_000, 100_000, 100_000)], (4, 8, 8)))
    assert 60 <= len(found) <= validation.MOST_PATCHES
