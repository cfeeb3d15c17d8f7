"""How common classes are, where strokes say otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_ziggurat.training.shares import Shares, expectation_maximisation


def posteriors(true: NDArray[np.float64], taught: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a perfect classifier, taught with some shares, says of voxels drawn with others."""
    rng = np.random.default_rng(0)
    classes = rng.choice(len(true), 50_000, p=true)
    seen = rng.normal(4.0 * classes, 1.0)
    centres = 4.0 * np.arange(len(true))
    likelihoods = np.exp(-0.5 * (seen[:, None] - centres) ** 2)
    joint = likelihoods * taught
    return joint / joint.sum(axis=1, keepdims=True)


@given(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=4), st.floats(0.1, 0.9))
def test_shares_are_found_whatever_was_taught(weights: list[float], first: float) -> None:
    true = np.array(weights) / sum(weights)
    taught = np.array([first, *[(1 - first) / (len(true) - 1)] * (len(true) - 1)])
    found = expectation_maximisation(posteriors(true, taught), taught)
    np.testing.assert_allclose(found, true, atol=0.02)


def test_the_shift_is_that_of_bayes_and_has_bounds() -> None:
    shift = Shares(taught=(0.5, 0.5), estimated=(0.9, 0.1)).shift
    np.testing.assert_allclose(np.exp(shift), [1.8, 0.2])
    assert Shares((0.5, 0.5), (1.0, 0.0)).shift[1] == pytest.approx(-np.log(20))
