"""A threshold is learned from the foreground that it is to keep."""

import numpy as np

from napari_ziggurat.evaluation.gate import fit_thresholds, gate_values
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
    assert gate_values(coarse, HALVES, foreground, 1) < 0.6
    np.testing.assert_allclose(gate_values(coarse, HALVES, foreground, 3), 0.7)


def test_foreground_of_a_box_is_looked_up_where_the_box_lies() -> None:
    coarse = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    foreground = np.random.default_rng(1).random((16, 16)) > 0.5
    whole = gate_values(coarse, HALVES, foreground, 1)
    part = gate_values(coarse, HALVES, foreground[4:], 1, start=(4, 0))
    assert np.array_equal(part, whole[foreground[:4].sum() :])
