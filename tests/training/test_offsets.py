"""Offsets of the logits are those that held-out voxels ask for, and are judged on other ones."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.training.offsets import fit_offsets, mean_dice
from napari_ziggurat.training.stroke_logits import StrokeLogits

COUNTED = np.array([False, True, True])
ONES = np.ones(3)


def strokes(shift: tuple[float, float, float], each: int = 600, blocks: int = 6) -> StrokeLogits:
    """Voxels of three classes whose logits are off by so much."""
    rng = np.random.default_rng(0)
    channels = np.tile([0, 1, 2], each)
    logits = rng.normal(0, 1, (3 * each, 3))
    logits[np.arange(3 * each), channels] += 4.0
    numbers = np.arange(3 * each) * blocks // (3 * each)
    return StrokeLogits((logits + shift).astype(np.float32), channels, numbers)


@settings(max_examples=10, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2))
def test_what_was_wrong_with_the_logits_is_undone(one: float, two: float) -> None:
    off = strokes((0.0, one, two))
    fitted = fit_offsets(off, COUNTED)
    assert fitted is not None
    best = mean_dice(strokes((0.0, 0.0, 0.0)), np.zeros(3), COUNTED, ONES)
    assert mean_dice(off, fitted.offsets, COUNTED, ONES) > best - 0.03
    assert fitted.offsets.any() == fitted.pays


def test_logits_that_are_right_stay_as_they_are() -> None:
    fitted = fit_offsets(strokes((0.0, 0.0, 0.0)), COUNTED)
    assert fitted is not None
    assert not fitted.pays
    assert not fitted.offsets.any()


def test_a_gain_that_the_other_half_does_not_see_is_none() -> None:
    mixed = strokes((0.0, 0.0, 0.0), blocks=4)
    odd = mixed.blocks % 2 == 1
    logits = mixed.logits + np.where(odd[:, None], [0, 3.0, 0], [0, -3.0, 0]).astype(np.float32)
    fitted = fit_offsets(replace(mixed, logits=logits), COUNTED)
    assert fitted is not None
    assert fitted.after < fitted.before
    assert not fitted.offsets.any()


@pytest.mark.parametrize(("each", "blocks"), [(600, 3), (90, 6)])
def test_from_few_blocks_or_voxels_nothing_is_fitted(each: int, blocks: int) -> None:
    assert fit_offsets(strokes((0.0, 2.0, 0.0), each, blocks), COUNTED) is None


def test_a_class_that_is_rarer_than_it_was_painted_is_found_less_often() -> None:
    rng = np.random.default_rng(0)
    channels = np.tile([0, 1], 2000)
    seen = rng.normal(2.0 * channels - 1.0, 1.0)
    both = StrokeLogits(
        np.stack([-seen, seen], axis=1).astype(np.float32), channels, np.arange(4000) // 500
    )
    counted = np.array([False, True])
    rare = fit_offsets(both, counted, np.array([0.95, 0.05]))
    assert rare is not None
    assert rare.pays
    assert rare.offsets[1] < rare.offsets[0]
