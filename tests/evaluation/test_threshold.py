"""Threshold: the best that brightness alone can do."""

import numpy as np
import pytest

from napari_ziggurat.evaluation.threshold import threshold_dice


@pytest.mark.parametrize("grey", [(10, 200), (200, 10)])
def test_class_of_its_own_brightness_is_found_bright_or_dark(grey: tuple[int, int]) -> None:
    labels = np.zeros((4, 8, 8), np.uint8)
    labels[1:3] = 1
    image = np.where(labels, *grey).astype(np.uint8)
    assert threshold_dice(image, labels, [1]) == {1: 1.0}


def test_best_threshold_is_that_of_trying_them_all() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (30, 30))
    image = (rng.normal(100, 20, labels.shape) + 15 * labels).astype(np.uint16)
    for value, found in threshold_dice(image, labels, [1, 2]).items():
        own = labels == value
        masks = [m for t in range(256) for m in (image >= t, image <= t)]
        best = max(2 * (m & own).sum() / (m.sum() + own.sum()) for m in masks)
        assert found == pytest.approx(best)


def test_only_kept_voxels_count() -> None:
    labels = np.array([[1, 1, 0, 0]], np.uint8)
    image = np.array([[9, 0, 0, 0]], np.uint8)
    assert threshold_dice(image, labels, [1], image > 0) == {1: 1.0}


def test_class_that_is_not_there_scores_zero() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert threshold_dice(image, np.zeros((4, 4), np.uint8), [5]) == {5: 0.0}
