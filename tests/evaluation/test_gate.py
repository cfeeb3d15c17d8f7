"""A threshold is learned from the foreground that it is to keep."""

import numpy as np
import pytest

from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.gate import GateSample, fit_gate, fit_thresholds
from napari_ziggurat.geometry import Upsampling

HALVES = Upsampling((0.5, 0.5), (-0.25, -0.25), (8, 8))


def test_a_threshold_keeps_at_least_its_share_and_is_the_largest_that_does() -> None:
    values = np.random.default_rng(0).random(1001).astype(np.float32) / 2
    for recall, threshold in fit_thresholds(values):
        kept = np.mean(values >= threshold)
        assert kept >= recall
        assert np.mean(values > threshold) < recall


def test_no_threshold_is_above_one_half() -> None:
    assert fit_thresholds(np.ones(5, np.float32), (0.5,)) == ((0.5, 0.5),)


def test_the_largest_probability_around_a_voxel_counts() -> None:
    coarse, foreground = np.zeros((8, 8)), np.zeros((16, 16), bool)
    coarse[2, 2] = 0.7
    foreground[9, 5] = True  # two coarse voxels further down
    sample = GateSample(coarse, HALVES, foreground, (0, 0))
    assert sample.values(1) < 0.6
    np.testing.assert_allclose(sample.values(3), 0.7)


def test_foreground_of_a_box_is_looked_up_where_the_box_lies() -> None:
    coarse = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    foreground = np.random.default_rng(1).random((16, 16)) > 0.5
    whole = GateSample(coarse, HALVES, foreground, (0, 0)).values(1)
    part = GateSample(coarse, HALVES, foreground[4:], (4, 0)).values(1)
    assert np.array_equal(part, whole[foreground[:4].sum() :])


@pytest.mark.parametrize(("shift", "radius"), [(0, 0), (4, 1)])
def test_the_radius_is_as_large_as_the_coarse_pass_is_wrong(shift: int, radius: int) -> None:
    coarse, foreground = np.full((8, 8), 0.01), np.zeros((16, 16), bool)
    coarse[3:5, 3:5] = 0.9
    foreground[7 + shift : 9 + shift, 7:9] = True
    fit = fit_gate([GateSample(coarse, HALVES, foreground, (0, 0))])
    assert (fit.radius, fit.foreground) == (radius, 4)


def test_without_foreground_nothing_can_be_learned() -> None:
    with pytest.raises(InputError, match="foreground"):
        fit_gate([GateSample(np.zeros((8, 8)), HALVES, np.zeros((16, 16), bool), (0, 0))])
