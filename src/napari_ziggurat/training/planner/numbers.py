"""Numbers: shapes that are multiples of a stride, and how they are written."""

import math
from collections.abc import Sequence

__all__ = ["by", "ceil_to", "nearest", "round_up", "total_stride"]


def total_stride(strides: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Multiply the strides of all levels, per axis."""
    return tuple(math.prod(axis) for axis in zip(*strides, strict=True))


def round_up(shape: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    """Give the smallest multiples of a stride that are no less than a shape."""
    return tuple(ceil_to(n, m) for n, m in zip(shape, stride, strict=True))


def ceil_to(n: int, multiple: int) -> int:
    """Give the smallest multiple that is no less than a number."""
    return -(-n // multiple) * multiple


def nearest(value: float, multiple: int) -> int:
    """Give the nearest multiple that is not 0."""
    return max(multiple, round(value / multiple) * multiple)


def by(shape: Sequence[int]) -> str:
    """Write a shape, such as 16 x 128 x 128."""
    return " x ".join(map(str, shape))
