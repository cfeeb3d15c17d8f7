"""The annotation code: what is refused, and that coding and decoding is the identity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import image_from_array
from napari_ziggurat.images.annotation import (
    check_values,
    decode_classes,
    encode_target,
    found_values,
)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int64", "float32"])
def test_values_are_found_in_any_type(dtype: str) -> None:
    labels = np.zeros((5, 70, 80), dtype)
    labels[4, 3, 2] = 1
    assert found_values(image_from_array(labels, axes="zyx")) == (0, 1)


def test_values_of_all_times_are_found() -> None:
    labels = np.arange(6, dtype=np.uint16).reshape(3, 1, 2)
    assert found_values(image_from_array(labels, axes="tyx")) == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("labels", "axes", "says"),
    [
        (np.array([[0, 0.5]]), "yx", r"whole numbers.*0\.5"),
        (np.array([[0, np.nan]]), "yx", "whole numbers"),
        (np.array([[0, -3]]), "yx", "must not be negative; found -3"),
        (np.zeros((4, 5, 3), np.uint8), "yxc", r"have one channel; .* has 3 \(red, green, blue\)"),
    ],
)
def test_what_are_no_labels_is_refused(labels: np.ndarray, axes: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        found_values(image_from_array(labels, axes=axes))


@pytest.mark.parametrize(
    ("values", "dense", "foreground", "classes"),
    [
        ([0, 1, 2], True, False, (0, 1, 2)),
        ([1, 3], True, False, (0, 1, 3)),
        ([0, 1, 700], True, True, (0, 1)),
        ([0, 255], True, True, (0, 1)),
        ([0, 1, 3], False, False, (1, 3)),
        ([0, 1, 255], False, False, (0, 1)),
        ([0, 4, 9, 255], False, True, (0, 1)),
    ],
)
def test_classes_of_labels_and_annotations(
    values: list[int], dense: bool, foreground: bool, classes: tuple[int, ...]
) -> None:
    assert check_values(values, dense=dense, foreground=foreground) == classes


@pytest.mark.parametrize(
    ("values", "dense", "foreground", "says"),
    [
        ([0, 1, 300], True, False, r"up to 300.*--task foreground"),
        ([0, 255], True, False, r"up to 255.*--task foreground"),
        ([0, 1, 256], False, False, r"up to 256.*--task foreground"),
        ([0], True, False, "has only background"),
        ([0], False, False, "is empty: no voxel is labelled"),
        ([0, 5], False, False, r"has only class 5.*background \(255\)"),
        ([0, 255], False, False, "has only background.*another class"),
        ([0, 3, 4], False, True, r"has only class 1.*background \(255\)"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    values: list[int], dense: bool, foreground: bool, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        check_values(values, dense=dense, foreground=foreground, name="strokes.tif")


def test_unlabelled_is_ignored_and_255_is_background() -> None:
    target = encode_target(np.array([0, 1, 3, 255]), (0, 1, 3), dense=False, foreground=False)
    assert target.tolist() == [0, 2, 3, 1]
    assert target.dtype == np.uint8


def test_zero_of_dense_labels_is_background() -> None:
    target = encode_target(np.array([0.0, 1.0, 3.0]), (0, 1, 3), dense=True, foreground=False)
    assert target.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("labels", "dense", "target"), [([0, 7, 255, 900], True, [1, 2, 2, 2]),
                                    ([0, 7, 255, 900], False, [0, 2, 1, 2])],
)  # fmt: skip
def test_foreground_makes_every_label_class_1(
    labels: list[int], dense: bool, target: list[int]
) -> None:
    assert encode_target(np.array(labels), (0, 1), dense, foreground=True).tolist() == target


def test_annotation_without_background_has_no_background_channel() -> None:
    target = encode_target(np.array([0, 2, 5]), (2, 5), dense=False, foreground=False)
    assert target.tolist() == [0, 1, 2]


def test_a_class_that_was_not_there_before_is_named() -> None:
    with pytest.raises(InputError, match=r"one of the classes 0, 1; found 4, 9"):
        encode_target(np.array([0, 1, 9, 4]), (0, 1), dense=True, foreground=False)
    with pytest.raises(InputError, match="found 255"):
        encode_target(np.array([0, 255]), (0, 1), dense=True, foreground=False)


@given(st.sets(st.integers(1, 254), min_size=1), st.booleans())
def test_decoding_gives_what_was_coded(values: set[int], dense: bool) -> None:
    classes = check_values(values | {0, 255} if not dense else values | {0}, dense=dense,
                           foreground=False)  # fmt: skip
    labels = np.array(sorted(values), np.uint8)
    target = encode_target(labels, classes, dense, foreground=False)
    np.testing.assert_array_equal(decode_classes(target.astype(int) - 1, classes), labels)
    background = np.array([0 if dense else 255], np.uint8)
    coded = encode_target(background, classes, dense, foreground=False).astype(int)
    assert decode_classes(coded - 1, classes).tolist() == [0]
