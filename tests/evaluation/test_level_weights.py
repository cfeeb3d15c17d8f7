"""Weights of levels are those with which the fused probabilities say best what the labels say."""

import numpy as np

from napari_ziggurat.evaluation.level_weights import _loss, fit_level_weights

RNG = np.random.default_rng(0)


def say(truth: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2): ``sure`` of the true class at each voxel."""
    found = np.empty((len(truth), 2))
    found[np.arange(len(truth)), truth] = sure
    found[np.arange(len(truth)), 1 - truth] = 1 - sure
    return found


def test_a_level_that_is_right_counts_and_one_that_guesses_does_not() -> None:
    truth = RNG.integers(0, 2, 2000)
    right, guess = say(truth, np.full(2000, 0.9)), say(truth, RNG.random(2000))
    weights = fit_level_weights(np.stack([guess, right], axis=1), truth, np.ones(2000))
    assert min(weights[1]) > 0.99


def test_each_class_can_trust_another_level() -> None:
    truth = RNG.integers(0, 3, 3000)
    knows_one, knows_two = (np.full((3000, 3), 1 / 3) for _ in range(2))
    knows_one[:, 1] = np.where(truth == 1, 0.9, 0.05)
    knows_two[:, 2] = np.where(truth == 2, 0.9, 0.05)
    weights = fit_level_weights(np.stack([knows_one, knows_two], axis=1), truth, np.ones(3000))
    assert weights[0][1] > 0.95
    assert weights[1][2] > 0.95


def test_weights_of_a_class_sum_to_one_and_repeat() -> None:
    given = RNG.dirichlet(np.ones(3), (500, 3)), RNG.integers(0, 3, 500), np.ones(500)
    weights = fit_level_weights(*given)
    np.testing.assert_allclose(np.sum(weights, axis=0), 1, atol=1e-9)
    assert np.min(weights) >= 0
    assert weights == fit_level_weights(*given)


def test_a_voxel_that_stands_for_many_counts_as_they_would() -> None:
    levels, truth = RNG.dirichlet(np.ones(2), (50, 2)), RNG.integers(0, 2, 50)
    counts = RNG.integers(1, 5, 50)
    weighed = fit_level_weights(levels, truth, counts.astype(float))
    repeated = fit_level_weights(
        np.repeat(levels, counts, axis=0), np.repeat(truth, counts), np.ones(counts.sum())
    )
    np.testing.assert_allclose(weighed, repeated, atol=2e-3)


def test_the_gradient_is_that_of_the_loss() -> None:
    levels, truth = RNG.dirichlet(np.ones(3), (40, 2)), RNG.integers(0, 3, 40)
    free, share = RNG.normal(size=(2, 3)), np.full(40, 1 / 40)
    gradient = _loss(free, levels, truth, share)[1].reshape(2, 3)
    for place in np.ndindex(2, 3):
        step = np.zeros((2, 3))
        step[place] = 1e-6
        up, down = (_loss(free + sign * step, levels, truth, share)[0] for sign in (1, -1))
        np.testing.assert_allclose(gradient[place], (up - down) / 2e-6, atol=1e-7)
