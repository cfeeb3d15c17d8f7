"""Selection: what a NumPy key picks out of an array too large for memory."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box

__all__ = ["Points", "Region", "select"]

_MOST = 2**31  # voxels that one key may span


@dataclass(frozen=True)
class Region:
    """Voxels inside a box: the key picks them out of an array that holds the box alone."""

    box: Box
    key: tuple[Any, ...]


@dataclass(frozen=True)
class Points:
    """Single voxels, wherever they lie.

    Attributes
    ----------
    places : tuple of arrays of int
        One per axis, flat.
    shape : tuple of int
        Of what the key picks out.
    """

    places: tuple[NDArray[np.int64], ...]
    shape: tuple[int, ...]


def select(key: Any, shape: tuple[int, ...]) -> Region | Points:
    """Read a key as NumPy does: integers, slices, ellipsis, new axes, arrays of indices or bool.

    Raises
    ------
    IndexError
        It is no key for an array of this shape, or points outside of it.
    InputError
        It spans more voxels than fit into memory.
    """
    parts = _for_all_axes(_plain_parts(key), len(shape))
    lengths = iter(shape)
    placed = [
        part if part is None else _place(part, next(lengths), axis)
        for axis, part in enumerate(parts)
    ]
    if all(isinstance(part, int | np.ndarray) for part in placed) and any(
        isinstance(part, np.ndarray) for part in placed
    ):
        return _points(placed)
    return _region(placed, shape)


def _plain_parts(key: Any) -> Iterator[Any]:
    """Give integers, slices, None, Ellipsis and arrays of integers."""
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, bool | np.bool_):
            raise IndexError("annotations are not indexed by a single bool")
        if part is None or part is Ellipsis or isinstance(part, slice):
            yield part
        elif isinstance(part, int | np.integer):
            yield int(part)
        else:
            yield from _arrays(np.asarray(part))


def _arrays(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    if array.dtype.kind == "b":
        yield from _Mask.of(array)
    elif array.dtype.kind in "iu" or array.size == 0:
        yield array.astype(np.int64)
    else:
        raise IndexError("arrays used as indices must be of integer (or boolean) type")


class _Mask(np.ndarray):
    """Indices along one axis of a mask of bool, whose length must be that of the axis."""

    length: int

    @classmethod
    def of(cls, mask: NDArray[Any]) -> Iterator[NDArray[Any]]:
        for indices, length in zip(np.nonzero(mask), mask.shape, strict=True):
            found = indices.astype(np.int64).view(cls)
            found.length = length
            yield found


def _for_all_axes(parts: Iterator[Any], ndim: int) -> list[Any]:
    """Put whole axes in place of the ellipsis, or behind the key where there is none."""
    found = list(parts)
    named = sum(part is not None and part is not Ellipsis for part in found)
    if named > ndim:
        raise IndexError(f"too many indices: the annotation has {ndim} axes, {named} were indexed")
    gaps = [i for i, part in enumerate(found) if part is Ellipsis]
    if len(gaps) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    at = gaps[0] if gaps else len(found)
    return [*found[:at], *[slice(None)] * (ndim - named), *found[at + 1 :]]


def _place(part: Any, length: int, axis: int) -> Any:
    """Bring a part to voxels of its axis: int, range or array of them, none negative."""
    if isinstance(part, slice):
        return range(*part.indices(length))
    if isinstance(part, _Mask) and part.length != length:
        raise IndexError(
            f"boolean index did not match along axis {axis}: its length is {part.length}, "
            f"the annotation's is {length}"
        )
    numbers = np.asarray(part)
    if numbers.size and not -length <= int(numbers.min()) <= int(numbers.max()) < length:
        raise IndexError(f"index {part} is out of bounds for axis {axis} with size {length}")
    if isinstance(part, int):
        return part % length
    return np.where(numbers < 0, numbers + length, numbers)


def _points(placed: list[Any]) -> Points:
    arrays = np.broadcast_arrays(*placed)
    return Points(tuple(a.ravel().astype(np.int64) for a in arrays), arrays[0].shape)


def _region(placed: list[Any], shape: tuple[int, ...]) -> Region:
    spans = [_span(part) for part in placed if part is not None]
    box = Box(tuple(a for a, _ in spans), tuple(b for _, b in spans))
    if math.prod(box.shape) > _MOST:
        raise InputError(
            f"The index spans {' x '.join(map(str, box.shape))} voxels of an annotation of shape "
            f"{shape}, which do not fit into memory; take a smaller part."
        )
    starts = iter(box.start)
    return Region(box, tuple(None if part is None else _shift(part, next(starts))
                             for part in placed))  # fmt: skip


def _span(part: Any) -> tuple[int, int]:
    if isinstance(part, int):
        return part, part + 1
    if len(part) == 0 if isinstance(part, range) else part.size == 0:
        return 0, 0
    ends = (part[0], part[-1]) if isinstance(part, range) else (part.min(), part.max())
    return int(min(ends)), int(max(ends)) + 1


def _shift(part: Any, start: int) -> Any:
    if not isinstance(part, range):
        return part - start
    if len(part) == 0:
        return slice(0, 0)
    stop = part[-1] - start + (1 if part.step > 0 else -1)
    return slice(part[0] - start, None if stop < 0 else stop, part.step)
