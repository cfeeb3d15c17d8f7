"""The annotation code: painted value <-> class, with unlabelled and explicit background.

Annotations: 0 unlabelled, 1..254 the class painted, 255 explicit background. Dense labels: 0 is
background, 1..254 the classes. Segmentations: 0 background, 1..254 the classes. A *target*, which
networks are trained on: 0 ignored, k the class of channel k - 1.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, MAX_CLASS, UNLABELLED
from napari_ziggurat.errors import InputError
from napari_ziggurat.images.image import Image

__all__ = [
    "check_one_channel",
    "check_values",
    "decode_classes",
    "encode_target",
    "found_values",
    "whole_numbers",
]

_BACKGROUND = 0


def found_values(labels: Image, level: int = 0) -> tuple[int, ...]:
    """List the values of a label image, sorted; it is read box by box.

    Raises
    ------
    InputError
        It has several channels, or values that are negative or no whole numbers.
    """
    check_one_channel(labels)
    found: set[int] = set()
    for time in range(labels.times):
        for box in labels.boxes(level):
            gap = labels.constant(level, box, time)  # of sparse labels nearly everything
            voxels = labels.read(level, box, time) if gap is None else gap
            found |= _values_in(voxels, str(labels.source or labels.name))
    return tuple(sorted(found))


def check_one_channel(labels: Image) -> None:
    """Refuse labels with several channels, as pictures of labels have."""
    if len(labels.channels) > 1:
        raise InputError(
            f"Labels have one channel; {labels.source or labels.name} has {len(labels.channels)} "
            f"({', '.join(labels.channels)}). Save the class numbers as a grey image."
        )


def check_values(
    values: Iterable[int], *, dense: bool, foreground: bool, name: str = "The annotation"
) -> tuple[int, ...]:
    """Tell which classes the values of all label images together stand for.

    Parameters
    ----------
    values : iterable of int
        What `found_values` found.
    dense : bool
        Whether 0 means background; otherwise it means unlabelled and 255 means background.
    foreground : bool
        Whether every label other than background is class 1.
    name : str
        What the values come from, for messages.

    Returns
    -------
    tuple of int
        Class values of a segmentation, one per channel: 0 (background) first where it is a class.

    Raises
    ------
    InputError
        Nothing is labelled, there is one class only, or a value is too large.
    """
    found = set(values)
    classes = found if dense else _painted_classes(found)
    if foreground:
        classes = {min(value, 1) for value in classes}
    _check_largest(classes, name)
    _check_count(classes, dense, name)
    return tuple(sorted(classes | ({_BACKGROUND} if dense else set())))


def encode_target(
    labels: NDArray[Any], values: Sequence[int], dense: bool, foreground: bool
) -> NDArray[np.uint8]:
    """Turn labels or annotation into a target.

    Parameters
    ----------
    labels : ndarray
        Values of any shape; floats that hold whole numbers are accepted.
    values : sequence of int
        Class values, one per channel, as `check_values` gives them.
    dense, foreground : bool
        As for `check_values`.

    Returns
    -------
    ndarray of uint8
        0 where nothing is labelled, k where the class of channel k - 1 is.

    Raises
    ------
    InputError
        A label is none of the classes.
    """
    numbers = whole_numbers(labels, "The labels")
    background = np.equal(numbers, _BACKGROUND if dense else EXPLICIT_BACKGROUND)
    silent = np.zeros_like(background) if dense else np.equal(numbers, UNLABELLED)
    if foreground:
        classes = np.ones(numbers.shape, np.uint8)
    else:
        _check_known(numbers[~(background | silent)], values)
        classes = np.where(background | silent, 0, numbers).astype(np.uint8)
    classes[background] = _BACKGROUND
    target = _channel_table(values)[classes]
    target[silent] = 0
    return target


def decode_classes(channels: NDArray[Any], values: Sequence[int]) -> NDArray[np.uint8]:
    """Turn channel numbers (the largest logit's) into the values of a segmentation."""
    table: NDArray[np.uint8] = np.asarray(values, np.uint8)
    return np.take(table, channels)


def whole_numbers(labels: NDArray[Any], name: str) -> NDArray[Any]:
    """Give labels as integers; refuse values that are negative or no whole numbers."""
    if labels.dtype.kind == "f":
        if not np.array_equal(labels, np.rint(labels)):
            raise InputError(
                f"{name} must hold whole numbers, one per class; found values between them (such "
                f"as {_first_broken(labels)}). Is this an image, or were labels interpolated?"
            )
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "b":
        return labels.astype(np.uint8)
    if labels.dtype.kind == "i" and labels.size and int(labels.min()) < 0:
        raise InputError(f"{name} must not be negative; found {int(labels.min())}.")
    return labels


def _first_broken(labels: NDArray[Any]) -> float:
    return float(labels[labels != np.rint(labels)].flat[0])


def _values_in(labels: NDArray[Any], name: str) -> set[int]:
    numbers = whole_numbers(labels, name)
    if numbers.dtype == np.uint8:  # marking is many times faster than sorting
        present = np.zeros(256, bool)
        present[numbers] = True
        return set(np.flatnonzero(present).tolist())
    return set(np.unique(numbers).tolist())


def _painted_classes(found: set[int]) -> set[int]:
    painted = found - {UNLABELLED, EXPLICIT_BACKGROUND}
    return painted | ({_BACKGROUND} if EXPLICIT_BACKGROUND in found else set())


def _check_largest(classes: set[int], name: str) -> None:
    largest = max(classes, default=0)
    if largest > MAX_CLASS:
        raise InputError(
            f"Class values are 0 to {MAX_CLASS}; {name} has values up to {largest}. If these are "
            "objects (one number each) or a 0/255 mask, say --task foreground: every label that "
            "is not 0 becomes class 1."
        )


def _check_count(classes: set[int], dense: bool, name: str) -> None:
    if len(classes) > 1:
        return
    if not dense and not classes:
        raise InputError(
            f"{name} is empty: no voxel is labelled (all are 0). "
            "Paint strokes of at least two classes (or one and background, 255)."
        )
    only = next(iter(classes), _BACKGROUND)
    what = "background" if only == _BACKGROUND else f"class {only}"
    way = (
        "Give labels with at least two values."
        if dense
        else f"Paint at least one stroke of another class, or of background "
        f"({EXPLICIT_BACKGROUND})."
    )
    raise InputError(f"Training needs at least two classes; {name} has only {what}. {way}")


def _check_known(numbers: NDArray[Any], values: Sequence[int]) -> None:
    unknown = np.setdiff1d(numbers, np.asarray(values))
    if unknown.size:
        listed = ", ".join(map(str, unknown[:5].tolist()))
        raise InputError(
            f"Labels must be one of the classes {', '.join(map(str, values))}; found {listed}. "
            "Add the class to the training data, or take it out of the labels."
        )


def _channel_table(values: Sequence[int]) -> NDArray[np.uint8]:
    """Table from class value to target; values that are no class are ignored."""
    table = np.zeros(256, np.uint8)
    table[list(values)] = np.arange(1, len(values) + 1)
    return table
