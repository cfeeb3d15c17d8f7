"""A contingency holds what counting each pair of ids would give."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_ziggurat.evaluation.contingency import Contingency

ids = hnp.arrays(np.uint16, (5, 7), elements=st.integers(0, 4))


def as_dict(table: Contingency) -> dict[tuple[int, int], int]:
    rows = zip(table.truth, table.prediction, table.voxels, strict=True)
    return {(int(t), int(p)): int(n) for t, p, n in rows}


@given(ids, ids, hnp.arrays(bool, (5, 7)))
def test_every_pair_is_counted_where_the_mask_is(truth, prediction, keep) -> None:
    expected: dict[tuple[int, int], int] = {}
    for place in zip(*np.nonzero(keep), strict=True):
        pair = (int(truth[place]), int(prediction[place]))
        expected[pair] = expected.get(pair, 0) + 1
    assert as_dict(Contingency.count(truth, prediction, keep)) == expected


@given(ids, ids, st.integers(0, 7))
def test_blocks_add_up_to_the_image(truth, prediction, cut) -> None:
    parts = [Contingency.count(truth[:, s], prediction[:, s]) for s in (np.s_[:cut], np.s_[cut:])]
    assert as_dict(Contingency.join(parts)) == as_dict(Contingency.count(truth, prediction))


def test_ids_may_be_as_large_as_64_bits() -> None:
    large = 2**63 - 1
    table = Contingency.count(np.array([large, large, 0]), np.array([2**40, 0, 0]))
    assert as_dict(table) == {(0, 0): 1, (large, 0): 1, (large, 2**40): 1}
    assert table.truth_sizes.place(np.array([large, 0, 7])).tolist() == [0, -1, -1]


def test_renaming_joins_what_is_one_object() -> None:
    table = Contingency.count(np.array([1, 2, 3, 3]), np.array([1, 1, 0, 1]))
    renamed = table.renamed(np.array([0, 1, 1, 2]), None)
    assert as_dict(renamed) == {(1, 1): 2, (2, 0): 1, (2, 1): 1}
