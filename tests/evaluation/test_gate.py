"""A threshold is learned from the foreground that it is to keep."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.gate import GateCounts, GateFit
from napari_ziggurat.geometry import Box, Upsampling

HALVES = Upsampling((0.5, 0.5), (-0.25, -0.25), (16, 16))
RNG = np.random.default_rng(0)


def _fit(coarse: np.ndarray, foreground: np.ndarray, cuts: tuple[int, ...] = (0, 32)) -> GateFit:
    """Fit in slabs."""
    counts = GateCounts(HALVES)
    for start, stop in itertools.pairwise(cuts):
        box = Box((start, 0), (stop, 32))
        crop = coarse[counts.needs(box).slices].astype(np.float32)
        counts.add(crop, foreground[box.slices], box.start)
    return counts.fit()


def test_a_threshold_keeps_at_least_its_share_and_is_the_largest_that_does() -> None:
    coarse, foreground = RNG.random((16, 16)).astype(np.float32) / 3, RNG.random((32, 32)) > 0.5
    fit = _fit(coarse, foreground)
    around = ndimage.maximum_filter(coarse, 2 * fit.radius + 1, mode="nearest")
    values = HALVES(around, (0, 0), Box((0, 0), (32, 32)))[foreground]
    for recall, threshold in fit.thresholds:
        assert np.mean(values >= threshold) >= recall
        assert np.mean(values >= threshold + 1e-4) < recall


def test_no_threshold_is_above_one_half() -> None:
    fit = _fit(np.ones((16, 16)), np.ones((32, 32), bool))
    assert {threshold for _, threshold in fit.thresholds} == {0.5}


def test_boxes_are_counted_as_the_whole() -> None:
    coarse, foreground = RNG.random((16, 16)), RNG.random((32, 32)) > 0.8
    assert (
        _fit(coarse, foreground, (0, 7, 20, 32)).thresholds == _fit(coarse, foreground).thresholds
    )


@pytest.mark.parametrize(("shift", "radius"), [(0, 0), (4, 1)])
def test_the_radius_is_as_large_as_the_coarse_pass_is_wrong(shift: int, radius: int) -> None:
    coarse, foreground = np.full((16, 16), 0.01), np.zeros((32, 32), bool)
    coarse[3:5, 3:5] = 0.9
    foreground[7 + shift : 9 + shift, 7:9] = True
    fit = _fit(coarse, foreground)
    assert (fit.radius, fit.foreground) == (radius, 4)
    assert fit.kept == (2 + 2 * radius) ** 2 / 16**2


def test_without_foreground_nothing_can_be_learned() -> None:
    with pytest.raises(InputError, match="foreground"):
        _fit(np.zeros((16, 16)), np.zeros((32, 32), bool))
