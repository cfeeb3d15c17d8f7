"""Statistics of grey values, read without holding a volume."""

import numpy as np
import pytest

from napari_ziggurat.images import image as image_module
from napari_ziggurat.images import image_from_array
from napari_ziggurat.training.fingerprint import _values_at
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume

CODE = LabelCode((0, 1), dense=True, foreground=False)


class Watched:
    """An array that remembers how much was read at once."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        part = self.array[key]
        self.most = max(self.most, part.size)
        return part


def test_single_voxels_are_read_box_by_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module, "_STREAMED_VOXELS", 2000)
    rng = np.random.default_rng(0)
    grey = Watched(rng.integers(0, 999, (20, 40, 50)).astype(np.int16))
    image = image_from_array(grey, axes="zyx")
    labels = image_from_array(np.ones(grey.shape, np.uint8), axes="zyx")
    volume = LabelledVolume(image, labels, 0, 0, CODE)
    positions = np.stack([rng.integers(0, n, 300) for n in grey.shape], axis=1)
    expected = grey.array[tuple(positions.T)][None]
    np.testing.assert_array_equal(_values_at(volume, positions), expected)
    assert grey.most <= 2000
    np.testing.assert_array_equal(_values_at(volume.hold(), positions), expected)
