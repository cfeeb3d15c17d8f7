"""Objects are matched as by the definition, and what follows is what is published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from napari_ziggurat.evaluation.contingency import Contingency
from napari_ziggurat.evaluation.matching import IOU_THRESHOLDS, Matching
from napari_ziggurat.evaluation.object_counts import ObjectCounts

#: Five voxels of each object: 1 is found with one voxel less, 2 is cut, 3 and 4 are one, 5 missing.
TRUTH = np.repeat([1, 2, 3, 4, 5, 0], 5)
PREDICTION = np.array(
    [1, 1, 1, 1, 0] + [2, 2, 7, 7, 7] + [3] * 5 + [3] * 5 + [0] * 5 + [0, 0, 8, 8, 0]
)

ids = hnp.arrays(np.uint8, (4, 6), elements=st.integers(0, 4))


def counts(truth: np.ndarray, prediction: np.ndarray) -> ObjectCounts:
    return ObjectCounts.of(Matching(Contingency.count(truth, prediction)))


def assigned(truth: np.ndarray, prediction: np.ndarray, threshold: float) -> tuple[int, int, int]:
    """TP, FP, FN as Cellpose and StarDist count them, by an optimal assignment."""
    true, predicted = (np.unique(each[each > 0]) for each in (truth, prediction))
    iou = np.array(
        [
            [
                ((truth == t) & (prediction == p)).sum() / ((truth == t) | (prediction == p)).sum()
                for p in predicted
            ]
            for t in true
        ]
    ).reshape(len(true), len(predicted))
    if not iou.size:
        return 0, len(predicted), len(true)
    few = min(iou.shape)
    rows, columns = linear_sum_assignment(-(iou >= threshold).astype(float) - iou / (2 * few))
    hits = int((iou[rows, columns] >= threshold).sum())
    return hits, len(predicted) - hits, len(true) - hits


def test_a_drawn_example_counted_by_hand() -> None:
    found = counts(TRUTH, PREDICTION)
    assert (found.truth, found.prediction) == (5, 5)
    # 1 has 4/5, 2 has 3/5 with 7, 3 has 5/10 with 3; 4 and 5 have no partner, nor have 2 and 8
    assert (found.hits[0], found.false[0]) == (3, 2)
    assert found.hits == (3, 2, 2, 1, 1, 1, 1, 0, 0, 0)
    assert found.ap[0] == pytest.approx(3 / 7)
    assert found.ap[1] == pytest.approx(2 / 8)
    assert found.f1 == pytest.approx(6 / 10)
    assert found.pq == pytest.approx((4 / 5 + 3 / 5 + 5 / 10) / (3 + 2 / 2 + 2 / 2))
    assert (found.splits, found.merges) == (1, 1)


@given(ids, ids)
def test_an_optimal_assignment_finds_no_other_numbers(truth, prediction) -> None:
    found = counts(truth, prediction)
    for i, threshold in enumerate(IOU_THRESHOLDS):
        hits, false, missed = assigned(truth, prediction, threshold)
        assert (found.hits[i], found.false[i], found.truth - found.hits[i]) == (hits, false, missed)


def test_of_two_equal_halves_one_counts() -> None:
    found = counts(np.array([1, 1, 1, 1]), np.array([1, 1, 2, 2]))
    assert (found.hits[0], found.false[0], found.splits) == (1, 1, 1)
    found = counts(np.array([1, 1, 2, 2]), np.array([1, 1, 1, 1]))
    assert (found.hits[0], found.false[0], found.merges) == (1, 0, 1)


@given(ids)
def test_a_prediction_equal_to_the_truth_is_perfect_whatever_its_numbers(truth) -> None:
    found = counts(truth, np.where(truth, truth + 7, 0))
    if truth.any():
        assert (found.ap, found.f1, found.pq) == ((1.0,) * 10, 1.0, 1.0)
    assert (found.splits, found.merges) == (0, 0)


def test_without_objects_nothing_is_measured() -> None:
    found = counts(np.zeros(4, int), np.zeros(4, int))
    assert (found.ap[0], found.mean_ap, found.f1, found.pq) == (None, None, None, None)


def test_with_objects_on_one_side_scores_are_zero() -> None:
    for pair in ((TRUTH, TRUTH * 0), (TRUTH * 0, TRUTH)):
        found = counts(*pair)
        assert (found.ap[0], found.f1, found.pq) == (0.0, 0.0, 0.0)
