"""Statistics: grey values of an image from a fixed sample of it, whatever its size."""

import hashlib
import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images.image import Image

__all__ = ["sample_boxes", "sample_digest", "sample_values"]

_VALUES = 2_000_000
_BOX_VOXELS = 32_768


def sample_values(image: Image, level: int, time: int = 0) -> NDArray[Any]:
    """Grey values of a level: all of them where it is small, else from boxes spread over it.

    The sample depends on the image and the level alone, so that normalisation does too.

    Returns
    -------
    (C, n) array
        In the stored dtype; n is about two million at most.
    """
    shape = image.levels[level].shape
    pieces = [image.read(level, box, time) for box in sample_boxes(shape)]
    return np.concatenate([piece.reshape(piece.shape[0], -1) for piece in pieces], axis=1)


def sample_boxes(shape: tuple[int, ...]) -> list[Box]:
    """Boxes spread evenly over an image that together hold about two million voxels."""
    if math.prod(shape) <= _VALUES:
        return [Box.whole(shape)]
    side = round(_BOX_VOXELS ** (1 / len(shape)))
    box_shape = tuple(min(n, side) for n in shape)
    per_axis = _counts(shape, box_shape, _VALUES // math.prod(box_shape))
    starts = [
        [round(i * (n - b) / max(1, k - 1)) for i in range(k)]
        for n, b, k in zip(shape, box_shape, per_axis, strict=True)
    ]
    return [
        Box(start, tuple(a + b for a, b in zip(start, box_shape, strict=True)))
        for start in itertools.product(*starts)
    ]


def sample_digest(image: Image, level: int) -> str:
    """SHA-256 of grey values from every time point; of a long movie a few boxes of each.

    It tells whether a level is what it was, at the cost of reading about two million voxels.
    """
    digest = hashlib.sha256()
    boxes = sample_boxes(image.levels[level].shape)
    step = min(len(boxes), image.times)
    for time in range(image.times):
        for box in boxes[time % step :: step]:
            digest.update(image.read(level, box, time).tobytes())
    return digest.hexdigest()


def _counts(shape: tuple[int, ...], box: tuple[int, ...], wanted: int) -> list[int]:
    """Boxes per axis, in proportion to how many fit, about ``wanted`` in all."""
    fits = [max(1, n // b) for n, b in zip(shape, box, strict=True)]
    shrink = min(1.0, (wanted / math.prod(fits)) ** (1 / len(fits)))
    return [max(1, round(f * shrink)) for f in fits]
