"""Shape: sums over fragments -> sums over objects -> centroid, box, volume, elongation."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.inference.objects.fragments import Fragments, axis_pairs

__all__ = ["Layout", "Parts", "Sums", "add_up", "elongation", "mean_place"]

_SAFE = 2.0**61
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Fragments of one block that belong to wanted objects.

    Attributes
    ----------
    fragments : Fragments
        Of the whole block.
    origin : tuple of int
        Start of the block, from which its sums of coordinates are counted.
    chosen : (K,) int array
        Rows of the fragments.
    rows : (K,) int array
        Row of the object of each.
    """

    fragments: Fragments
    origin: tuple[int, ...]
    chosen: NDArray[np.intp]
    rows: NDArray[np.intp]


@dataclass(frozen=True)
class Sums:
    """Sums over all voxels of objects; coordinates are counted from the start of its box.

    ``first`` and ``second`` are Python integers where 64 bits would not do.
    """

    classes: Numbers
    voxels: Numbers
    anchors: Numbers
    starts: Numbers
    stops: Numbers
    first: NDArray[Any]
    second: NDArray[Any]
    intensity: NDArray[Any]
    confidence: Numbers


@dataclass(frozen=True)
class Layout:
    """What there is of each object.

    Attributes
    ----------
    dims, channels : int
        Spatial axes, and channels of the image.
    real : bool
        Grey values are no whole numbers.
    confidence : bool
        Probabilities are known.
    """

    dims: int
    channels: int = 0
    real: bool = False
    confidence: bool = False

    def zeros(self, count: int) -> dict[str, NDArray[Any]]:
        """Give columns for so many objects, to which nothing was added so far."""
        top = np.iinfo(np.int64).max
        return {
            "classes": np.zeros(count, np.int64),
            "voxels": np.zeros(count, np.int64),
            "anchors": np.full(count, top),
            "starts": np.full((count, self.dims), top),
            "stops": np.zeros((count, self.dims), np.int64),
            "intensity": np.zeros((count, self.channels), np.float64 if self.real else np.int64),
            "confidence": np.zeros(count if self.confidence else 0, np.int64),
        }


def add_up(parts: Callable[[], Iterable[Parts]], count: int, layout: Layout) -> Sums:
    """Add the fragments of objects up; the order of the parts does not matter.

    Parameters
    ----------
    parts : callable
        Gives the parts, block by block; it is called twice.
    count : int
        Objects.
    layout : Layout
        What there is of each.
    """
    found = layout.zeros(count)
    for part in parts():
        _add_plain(part, found)
    extent = (found["stops"] - found["starts"]).max(initial=1)
    large = float(found["voxels"].max(initial=0)) * float(extent) ** 2 > _SAFE
    first = np.zeros((count, layout.dims), object if large else np.int64)
    second = np.zeros((count, layout.dims * (layout.dims + 1) // 2), first.dtype)
    for part in parts():
        _add_coordinates(part, found["starts"], first, second)
    return Sums(**found, first=first, second=second)


def _add_plain(part: Parts, found: dict[str, NDArray[Any]]) -> None:
    columns, chosen, rows = part.fragments.arrays(), part.chosen, part.rows
    found["classes"][rows] = columns["classes"][chosen]
    np.minimum.at(found["anchors"], rows, columns["anchors"][chosen])
    np.minimum.at(found["starts"], rows, columns["starts"][chosen])
    np.maximum.at(found["stops"], rows, columns["stops"][chosen])
    for name in ("voxels", "intensity", "confidence"):
        if found[name].size:
            np.add.at(found[name], rows, columns[name][chosen])


def _add_coordinates(
    part: Parts, starts: Numbers, first: NDArray[Any], second: NDArray[Any]
) -> None:
    """Add the sums of a block, moved to the starts of the objects' boxes."""
    kind, chosen = first.dtype, part.chosen
    n = part.fragments.voxels[chosen].astype(kind)
    one = part.fragments.first[chosen].astype(kind)
    two = part.fragments.second[chosen].astype(kind)
    move = (np.array(part.origin) - starts[part.rows]).astype(kind)
    np.add.at(first, part.rows, one + n[:, None] * move)
    for column, (a, b) in enumerate(axis_pairs(one.shape[1])):
        p, q = move[:, a], move[:, b]
        two[:, column] += p * one[:, b] + q * one[:, a] + n * p * q
    np.add.at(second, part.rows, two)


def mean_place(sums: Sums) -> NDArray[np.float64]:
    """Centroids (N, D) in voxels of the image."""
    means = sums.first.astype(np.float64) / sums.voxels[:, None]
    found: NDArray[np.float64] = sums.starts + means
    return found


def elongation(sums: Sums, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Ratio of the longest to the shortest principal axis, 1 for a ball.

    The axes are those of the ellipsoid with the same second moments, in physical units, as in
    scikit-image's ``axis_major_length`` and ``axis_minor_length``. A voxel counts as the box that
    it is, so that flat and tiny objects have a finite elongation.
    """
    count, dims = sums.first.shape
    means = sums.first.astype(np.float64) / sums.voxels[:, None]
    moments = sums.second.astype(np.float64) / sums.voxels[:, None]
    spread = np.zeros((count, dims, dims))
    for column, (a, b) in enumerate(axis_pairs(dims)):
        shared = (moments[:, column] - means[:, a] * means[:, b]) * spacing[a] * spacing[b]
        spread[:, a, b] = spread[:, b, a] = shared
    for axis, size in enumerate(spacing):
        spread[:, axis, axis] += size * size / 12
    axes = np.linalg.eigvalsh(spread)
    ratio: NDArray[np.float64] = np.sqrt(axes[:, -1] / np.maximum(axes[:, 0], math.ulp(1.0)))
    return ratio
