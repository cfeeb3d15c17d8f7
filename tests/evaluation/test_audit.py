"""An audit estimates without bias, and its interval holds the truth as often as it says."""

import numpy as np
import pytest

from napari_ziggurat.evaluation.audit import Audit, draw


def test_one_per_cent_is_drawn_and_of_few_tiles_more() -> None:
    assert len(draw(0, 0)) == 0
    assert len(draw(1, 0)) == 1
    assert len(draw(100, 0)) == 5
    assert len(draw(1000, 0)) == 20
    assert len(draw(10_000, 0)) == 100
    assert len(np.unique(draw(10_000, 0))) == 100


def test_the_same_seed_draws_the_same_tiles() -> None:
    assert np.array_equal(draw(5000, 7), draw(5000, 7))
    assert not np.array_equal(draw(5000, 7), draw(5000, 8))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
def test_the_estimate_has_no_bias_and_the_interval_holds_the_truth(share: float) -> None:
    rng = np.random.default_rng(0)
    hit = rng.random(3000) < share
    voxels = np.where(hit, rng.integers(1, 400, 3000), 0)
    errors, held, rounds = [], 0, 300
    for seed in range(rounds):
        drawn = draw(3000, seed)
        left = voxels.sum() - voxels[drawn].sum()
        audit = Audit.of(3000, voxels[drawn].tolist(), 10**6, 500.0)
        errors.append(audit.missed - left)
        held += audit.low <= left <= audit.high
    spread = np.std(errors) / np.sqrt(rounds)
    assert abs(np.mean(errors)) <= 3 * spread
    assert held / rounds >= 0.93


def test_a_sample_without_foreground_does_not_say_that_there_is_none() -> None:
    audit = Audit.of(3000, [0] * 30, 10**6, 500.0)
    assert audit.missed == 0
    assert 0.05 * 3000 < audit.tiles_high < 0.15 * 3000
    assert audit.high == audit.tiles_high * 500
    assert "95 % confidence" in audit.render()


def test_without_rejected_tiles_there_is_nothing_to_miss() -> None:
    audit = Audit.of(0, [], 5, 1.0)
    assert (audit.missed, audit.low, audit.high) == (0, 0, 0)
    assert "nothing can have been missed" in audit.render()
