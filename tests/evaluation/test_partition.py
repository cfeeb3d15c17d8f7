"""Adapted Rand error and variation of information are those of scikit-image."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_ziggurat.evaluation.contingency import Contingency
from napari_ziggurat.evaluation.partition import Partition

ids = hnp.arrays(np.uint8, (6, 6), elements=st.integers(0, 4))


def test_by_hand() -> None:
    truth, prediction = np.array([1, 1, 1, 1, 0]), np.array([1, 1, 2, 2, 2])
    found = Partition.of(Contingency.count(truth, prediction))
    assert (found.both, found.truth, found.prediction) == (4, 12, 4)
    assert found.adapted_rand_error == pytest.approx(1 - 2 * 4 / 16)
    assert found.vi_split == pytest.approx(1)  # one bit says in which half a voxel lies
    assert found.vi_merge == pytest.approx(0)


@given(ids, ids)
def test_scikit_image_gives_the_same(truth, prediction) -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image comes with napari")
    assume(np.count_nonzero(truth) > 1)
    found = Partition.of(Contingency.count(truth, prediction))
    split, merge = metrics.variation_of_information(truth, prediction, ignore_labels=(0,))
    assert (found.vi_split, found.vi_merge) == (
        pytest.approx(split, abs=1e-12), pytest.approx(merge, abs=1e-12),
    )  # fmt: skip
    assume(found.truth and found.prediction)  # it divides by both
    error, _, _ = metrics.adapted_rand_error(truth, prediction, ignore_labels=(0,))
    assert found.adapted_rand_error == pytest.approx(error, abs=1e-12)


def test_an_object_of_many_billions_of_voxels_does_not_overflow() -> None:
    one = np.array([1])
    huge = Contingency(one, one, np.array([2**34]))
    found = Partition.of(huge)
    assert found.both == pytest.approx(2.0**68)
    assert found.adapted_rand_error == 0


def test_images_add_up_to_one_whose_objects_are_all_different() -> None:
    truth, prediction = np.array([1, 1, 2, 2]), np.array([1, 2, 2, 2])
    apart = [Partition.of(Contingency.count(truth, prediction))] * 2
    both = Partition.of(
        Contingency.count(np.append(truth, truth + 9), np.append(prediction, prediction + 9))
    )
    joined = apart[0] + apart[1]
    assert joined.adapted_rand_error == pytest.approx(both.adapted_rand_error)
    assert joined.vi_merge == pytest.approx(both.vi_merge)


def test_without_objects_there_is_no_error() -> None:
    found = Partition.of(Contingency.count(np.zeros(3, int), np.ones(3, int)))
    assert (found.adapted_rand_error, found.vi_split, found.vi_merge) == (None, None, None)
