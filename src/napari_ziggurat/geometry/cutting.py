"""Cutting: a box in equal parts of about a wished size."""

import itertools
from collections.abc import Sequence

from napari_ziggurat.geometry.box import Box

__all__ = ["cut"]


def cut(box: Box, size: Sequence[int]) -> list[Box]:
    """Cut a box that is not empty into parts, in storage order.

    Along each axis the parts are equal to a voxel, and as many as bring them nearest to the size.

    Examples
    --------
    >>> [str(part) for part in cut(Box((0,), (100,)), (30,))]
    ['0:33', '33:66', '66:100']
    """
    spans = [_spans(*each) for each in zip(box.start, box.stop, size, strict=True)]
    return [
        Box(tuple(a for a, _ in corner), tuple(b for _, b in corner))
        for corner in itertools.product(*spans)
    ]


def _spans(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    length = stop - start
    count = max(1, round(length / size))
    edges = [start + length * i // count for i in range(count + 1)]
    return list(itertools.pairwise(edges))
