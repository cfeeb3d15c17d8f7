"""Sparse labels are indexed and painted as a NumPy array is, and each stroke is on the disk."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_ziggurat.errors import InputError, WorkFailed
from napari_ziggurat.geometry import Box
from napari_ziggurat.images.annotation_store import AnnotationStore, SparseLabels
from painting import image

SHAPE = (20, 140, 150)


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> tuple[SparseLabels, np.ndarray]:
    """Labels with strokes, some of which are not on the disk, and the same in NumPy."""
    place = tmp_path_factory.mktemp("store") / "a.ome.zarr"
    labels = SparseLabels(AnnotationStore.create(image(SHAPE), place=place), each=False)
    truth = np.zeros(SHAPE, np.uint8)
    rng = np.random.default_rng(0)
    for step in range(6):
        box = tuple(slice(a := int(rng.integers(0, n)), a + n // 2) for n in SHAPE)
        labels[box] = truth[box] = step + 1
        if step == 3:
            labels.flush()
    return labels, truth


def keys() -> st.SearchStrategy[Any]:
    arrays = hnp.integer_array_indices(SHAPE, result_shape=hnp.array_shapes(max_dims=2, max_side=5))
    basic = hnp.basic_indices(SHAPE, allow_newaxis=True)
    mixed = st.tuples(
        st.integers(-20, 19), st.lists(st.integers(0, 139), min_size=1, max_size=4),
        st.slices(150),
    )  # fmt: skip
    masks = st.tuples(hnp.arrays(bool, SHAPE[:1]), st.slices(140), st.integers(-150, 149))
    return st.one_of(basic, arrays, mixed, masks)


@given(key=keys())
@settings(max_examples=300)
def test_a_key_reads_what_it_reads_from_numpy(painted: Any, key: Any) -> None:
    (labels, truth) = painted
    expected = truth[key]
    found = labels[key]
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_array_equal(found, expected)


@given(data=st.data(), key=keys())
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_a_key_paints_what_it_paints_in_numpy(painted: Any, data: Any, key: Any) -> None:
    (labels, truth) = painted
    shape = np.shape(truth[key])
    value = data.draw(st.one_of(st.integers(0, 255), st.just(None)))
    if value is None:
        value = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        if not isinstance(key, tuple) or any(isinstance(part, np.ndarray) for part in key):
            value = 9  # of repeated indices NumPy does not say which one wins
    labels[key] = value
    truth[key] = value
    if data.draw(st.integers(0, 9)) == 0:
        labels.flush()
        assert labels.dirty == []
    np.testing.assert_array_equal(labels[...], truth)


def test_what_was_painted_by_hypothesis_is_on_the_disk_after_a_flush(painted: Any) -> None:
    (labels, truth) = painted
    labels.flush()
    again = AnnotationStore.open(labels.store.path)
    np.testing.assert_array_equal(again.read(Box.whole(SHAPE)), truth)


@pytest.fixture
def labels(tmp_path: Path) -> SparseLabels:
    return SparseLabels(AnnotationStore.create(image(SHAPE), place=tmp_path / "a.ome.zarr"))


def test_each_assignment_is_a_stroke_on_the_disk(labels: SparseLabels) -> None:
    labels[3, 10:20, 10:20] = 4
    assert AnnotationStore.open(labels.store.path).counts() == {4: 100}
    assert [record.box for record in labels.store.history()] == [Box((3, 10, 10), (4, 20, 20))]
    assert (labels.dirty, labels.version) == ([], 1)


def test_what_is_collected_is_one_stroke_of_its_kind(tmp_path: Path) -> None:
    store = AnnotationStore.create(image(SHAPE), place=tmp_path / "a.ome.zarr")
    labels = SparseLabels(store, each=False)
    for at in (10, 130):
        labels[3, at : at + 5, at : at + 5] = 4
    assert labels[3, 132, 132] == 4
    assert len(labels.dirty) == 2
    assert (store.counts(), labels.version) == ({}, 2)
    record = labels.flush("correction")
    assert (record.kind, record.painted) == ("correction", {4: 50})
    assert record.box == Box((3, 10, 10), (4, 135, 135))
    assert labels.flush() is None


def test_scattered_points_of_a_huge_annotation_cost_their_chunks(tmp_path: Path) -> None:
    import zarr

    from napari_ziggurat.images import image_from_array

    huge = zarr.create_array(
        str(tmp_path / "i.zarr"), shape=(10_000,) * 3, chunks=(64,) * 3, dtype="uint8"
    )
    store = AnnotationStore.create(image_from_array(huge, axes="zyx"), place=tmp_path / "a.zarr")
    labels = SparseLabels(store)
    assert (labels.shape, labels.ndim, labels.dtype, labels.size) == (
        (10_000,) * 3, 3, np.uint8, 10**12,
    )  # fmt: skip
    ends = (np.array([0, 9999]), np.array([0, 9999]), np.array([0, 9999]))
    labels[ends] = [1, 2]
    assert labels[ends].tolist() == [1, 2]
    assert len(list(store.touched())) == 2
    with pytest.raises(InputError, match="smaller part"):
        np.asarray(labels)


@pytest.mark.parametrize(
    "key", [20, (0, 140), (0, 0, 0, 0), (..., ...), ([0.5],), (True,), (np.ones(19, bool),),
            (np.array([0, 25]), 0, 0)],
    ids=str,
)  # fmt: skip
def test_a_key_that_numpy_refuses_is_refused(labels: SparseLabels, key: Any) -> None:
    with pytest.raises(IndexError):
        labels[key]
    with pytest.raises(IndexError):
        labels[key] = 1
    assert labels.store.counts() == {}


def test_values_that_are_none_and_shapes_that_do_not_fit_are_refused(labels: SparseLabels) -> None:
    with pytest.raises(InputError, match="1 to 254"):
        labels[0, 0, 0] = 256
    with pytest.raises(ValueError, match="broadcast"):
        labels[0, 0, :3] = [1, 2]
    assert labels.store.counts() == {}


def test_what_a_full_disk_refused_is_kept_and_tried_again(
    labels: SparseLabels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(WorkFailed, match="full"):
            labels[0, 0, :3] = 5
    assert labels[0, 0, :4].tolist() == [5, 5, 5, 0]
    assert len(labels.dirty) == 1
    labels.flush()
    assert labels.store.counts() == {5: 3}
