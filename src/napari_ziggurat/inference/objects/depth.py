"""Depth: how far inside its object a voxel lies; objects are the basins of it, necks its saddles.

A depth is a whole number. Its upper 16 bits are the depth itself, its lower 16 bits the mean of
those around: where many voxels are equally deep, they tell which way leads to the middle.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "CONTEXT",
    "STEPS",
    "Depths",
    "class_boxes",
    "depth_of_classes",
    "depth_of_shapes",
    "one_voxel",
    "reach",
]

Depths = NDArray[np.uint32]

STEPS = 2**16 - 1
"""Steps of the upper half of a depth."""

CONTEXT = 3
"""Voxels around a place that its depth depends on, besides the distance to the border."""

_REACH = {2: 64, 3: 32}


def reach(spacing: tuple[float, ...]) -> tuple[int, ...]:
    """Give the voxels per axis that `depth_of_classes` looks at around a voxel.

    Distances are measured up to 64 voxels of the finest axis in a plane and 32 in a volume. What
    lies deeper counts as that deep, so that a depth depends on what is near it alone.
    """
    finest = min(spacing)
    return tuple(int(np.ceil(_REACH[len(spacing)] * finest / s)) + CONTEXT for s in spacing)


def one_voxel(dims: int) -> int:
    """Give the depth of one voxel of the finest axis in what `depth_of_classes` gives."""
    return (STEPS // _REACH[dims]) << 16


def depth_of_shapes(distance: NDArray[Any], boundary: NDArray[Any] | None, weight: float) -> Depths:
    """Give the depth that a network tells.

    Parameters
    ----------
    distance, boundary : ((Z), Y, X) array of float or uint8
        Shape channels, in [0, 1] or in steps of 1/255.
    weight : float
        How much the boundary counts: the depth is ``distance * (1 - weight * boundary)``.
    """
    found = _unit(distance)
    if boundary is not None and weight:
        found = found * (1 - np.float32(weight) * _unit(boundary))
    return _refined(np.rint(np.clip(found, 0, 1) * STEPS).astype(np.uint16))


def depth_of_classes(classes: NDArray[Any], spacing: tuple[float, ...]) -> Depths:
    """Give the distance of each voxel to the nearest one of another class or of the background.

    Parameters
    ----------
    classes : ((Z), Y, X) array of integers
        0 is background.
    spacing : tuple of float
        Voxel size; `STEPS` is the farthest distance that is told, see `reach`.
    """
    finest = min(spacing)
    sides = tuple(s / finest for s in spacing)
    found = np.zeros(classes.shape, np.uint16)
    for value, box in class_boxes(classes, margin=1):
        inside = classes[box] == value
        there = found[box]
        there[inside] = _distance(inside, sides)[inside]
    return _refined(found)


def class_boxes(classes: NDArray[Any], margin: int = 0) -> list[tuple[int, tuple[slice, ...]]]:
    """List the classes that there are, each with the box of its voxels, grown by a margin."""
    values = np.flatnonzero(np.bincount(classes.reshape(-1)))
    values = values[values > 0]
    if len(values) == 1 and not margin:
        return [(int(values[0]), tuple(slice(0, n) for n in classes.shape))]
    boxes = ndimage.find_objects(classes.astype(np.int32, copy=False))
    return [(int(v), _grown(boxes[int(v) - 1], margin)) for v in values]


def _grown(box: tuple[slice, ...], margin: int) -> tuple[slice, ...]:
    return tuple(slice(max(0, part.start - margin), part.stop + margin) for part in box)


def _unit(values: NDArray[Any]) -> NDArray[np.float32]:
    found = values.astype(np.float32)
    return found / np.float32(255) if values.dtype == np.uint8 else found


def _distance(inside: NDArray[np.bool_], sides: tuple[float, ...]) -> NDArray[np.uint16]:
    most = _REACH[inside.ndim]
    if inside.all():
        return np.full(inside.shape, STEPS, np.uint16)
    nearest = ndimage.distance_transform_edt(
        inside, sampling=sides, return_distances=False, return_indices=True
    )
    squares = np.zeros(inside.shape)
    for axis, (side, length) in enumerate(zip(sides, inside.shape, strict=True)):
        here = np.arange(length).reshape([-1 if a == axis else 1 for a in range(inside.ndim)])
        squares += ((nearest[axis] - here) * side) ** 2
    np.sqrt(squares, out=squares)
    return np.rint(np.minimum(squares, most) * (STEPS / most)).astype(np.uint16)


def _refined(depth: NDArray[np.uint16]) -> Depths:
    """Add the mean of what lies around, in whole numbers, as the lower half."""
    around = ndimage.uniform_filter(depth, 2 * CONTEXT + 1, output=np.uint16, mode="nearest")
    found: Depths = depth.astype(np.uint32) << 16 | around
    return found
