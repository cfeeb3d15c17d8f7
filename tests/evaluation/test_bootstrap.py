"""An interval of a difference holds it as often as it says, and is narrow where pairs agree."""

import numpy as np

from napari_ziggurat.evaluation.bootstrap import paired_bootstrap


def difference(first: np.ndarray, second: np.ndarray):
    def mean(values: np.ndarray):
        return lambda draw: {"score": float(values[np.asarray(draw)].mean())}

    return paired_bootstrap(len(first), mean(first), mean(second))["score"]


def test_what_makes_a_file_hard_for_both_cancels() -> None:
    hard = np.random.default_rng(0).random(30)
    found = difference(hard, hard + 0.1)
    assert np.allclose([found.value, found.low, found.high], 0.1)


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        first = rng.normal(0, 1, 40)
        found = difference(first, first + rng.normal(0.2, 0.5, 40))
        held += found.low <= 0.2 <= found.high
    assert 52 <= held <= 60


def test_a_measure_that_one_side_lacks_is_not_compared() -> None:
    found = paired_bootstrap(3, lambda _: {"a": 1.0, "b": None}, lambda _: {"a": 2.0, "b": 1.0})
    assert set(found) == {"a"}
    assert (found["a"].first, found["a"].second, found["a"].value) == (1.0, 2.0, 1.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).random((2, 12))
    assert difference(*values) == difference(*values)
