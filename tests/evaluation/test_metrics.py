"""Confusion: known numbers, sums over blocks, masks and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.metrics import Confusion

#: Four true voxels of class 1, four predicted, two in common; class 2 found in one of two.
TRUTH = np.array([[1, 1, 1, 1, 0, 0], [2, 2, 0, 0, 0, 0]], np.uint8)
PREDICTION = np.array([[0, 0, 1, 1, 1, 1], [2, 0, 0, 0, 0, 0]], np.uint8)

labels = hnp.arrays(np.uint8, (6, 8), elements=st.integers(0, 3))


def test_dice_and_iou_of_a_drawn_example():
    (one, two) = Confusion.count(TRUTH, PREDICTION).foreground
    assert (one.value, one.truth, one.prediction, one.both) == (1, 4, 4, 2)
    assert (one.dice, one.iou) == (pytest.approx(0.5), pytest.approx(2 / 6))
    assert (two.dice, two.iou) == (pytest.approx(2 / 3), pytest.approx(0.5))


def test_means_are_over_the_classes_that_are_there():
    confusion = Confusion.count(TRUTH, PREDICTION)
    assert confusion.mean_dice == pytest.approx((0.5 + 2 / 3) / 2)
    assert confusion.mean_iou == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_a_class_that_is_only_predicted_counts_as_missed():
    confusion = Confusion.count(np.array([1, 0]), np.array([1, 7]))
    assert [(o.value, o.dice) for o in confusion.foreground] == [(1, 1.0), (7, 0.0)]
    assert confusion.mean_dice == 0.5


def test_without_classes_there_is_no_mean():
    empty = Confusion.count(np.zeros(4, int), np.zeros(4, int))
    assert (empty.mean_dice, empty.mean_iou, empty.voxels) == (None, None, 4)


def test_voxels_outside_the_mask_do_not_count():
    mask = np.zeros(TRUTH.shape, bool)
    mask[0, 2:4] = True
    confusion = Confusion.count(TRUTH, PREDICTION, mask)
    assert confusion.voxels == 2
    assert [(o.value, o.dice) for o in confusion.foreground] == [(1, 1.0)]


@given(labels, labels, st.integers(0, 6))
def test_counts_do_not_depend_on_how_the_image_is_cut(truth, prediction, cut):
    parts = (slice(None, cut), slice(cut, None))
    added = sum((Confusion.count(truth[p], prediction[p]) for p in parts), Confusion.empty())
    np.testing.assert_array_equal(added.counts, Confusion.count(truth, prediction).counts)


@given(labels)
def test_a_prediction_equal_to_the_truth_is_perfect(truth):
    assert all(o.dice == o.iou == 1.0 for o in Confusion.count(truth, truth).foreground)


@given(labels, labels)
def test_dice_is_symmetric_and_follows_from_iou(truth, prediction):
    there = Confusion.count(truth, prediction).foreground
    back = Confusion.count(prediction, truth).foreground
    assert [o.dice for o in there] == [o.dice for o in back]
    assert [o.dice for o in there] == pytest.approx([2 * o.iou / (1 + o.iou) for o in there])


@pytest.mark.parametrize("wrong", [np.array([0, 255]), np.array([0, -1])])
def test_values_that_are_no_class_are_refused(wrong):
    with pytest.raises(InputError, match="0 to 254"):
        Confusion.count(wrong, np.zeros(2, int))


def test_shapes_must_agree():
    with pytest.raises(InputError, match="one shape"):
        Confusion.count(TRUTH, PREDICTION[:, 1:])
