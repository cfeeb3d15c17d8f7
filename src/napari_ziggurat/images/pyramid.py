"""Coarser levels, shard by shard: labels by majority, images by mean."""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import BlockGrid, Box
from napari_ziggurat.images.zarr_metadata import Kind
from napari_ziggurat.images.zarr_output import open_output

__all__ = ["fill_coarser", "finer_box", "majority", "mean", "reduced"]

Voxels = NDArray[Any]

# Voxels of the coarser level that are made at once, and whose candidates are counted at once.
_PIECE_VOXELS, _COUNTED_VOXELS = 2**18, 2**17


def fill_coarser(path: Path, kind: Kind, filled: int = 1) -> Iterator[tuple[int, int]]:
    """Write every level from the next finer one.

    Parameters
    ----------
    path : Path
        An output that `create_output` made, with its finest level filled.
    kind : {"labels", "image"}
        Labels take the majority of their voxels, images the mean.
    filled : int
        How many of the finest levels are filled already; they are left as they are.

    Yields
    ------
    done, total : int
        Shards written and to write, over all levels. Memory is bounded by one shard.
    """
    arrays = open_output(path)[filled - 1 :]
    total = sum(len(_shards(array)) for array in arrays[1:])
    for done, (fine, coarse, box) in enumerate(_steps(arrays)):
        yield done, total
        coarse[box.slices] = reduced(fine, coarse, box, kind)
    yield total, total


def reduced(fine: Any, coarse: Any, box: Box, kind: Kind) -> Voxels:
    """Make voxels of a level from those of the next finer one.

    Parameters
    ----------
    fine, coarse : zarr.Array
        Neighbours among the levels that `open_output` gives.
    box : Box
        Voxels of the coarse level, one range per stored axis; whole chunks.
    kind : {"labels", "image"}
        Labels take the majority of their voxels, images the mean.
    """
    factors = _factors(fine, coarse)
    reduce = majority if kind == "labels" else mean
    voxels = np.empty(box.shape, coarse.dtype)
    for block in BlockGrid(box, _piece(box.shape, coarse.chunks)):
        part = block.write_box
        source = np.asarray(fine[finer_box(fine, coarse, part).slices])
        voxels[part.relative_to(box.start).slices] = reduce(source, factors)
    return voxels


def finer_box(fine: Any, coarse: Any, box: Box) -> Box:
    """Voxels of a level that those of the next coarser one are made from, per stored axis."""
    factors = _factors(fine, coarse)
    start = [a * f for a, f in zip(box.start, factors, strict=True)]
    stop = [min(b * f, n) for b, f, n in zip(box.stop, factors, fine.shape, strict=True)]
    return Box(tuple(start), tuple(stop))


def _factors(fine: Any, coarse: Any) -> list[int]:
    return [-(-n // m) for n, m in zip(fine.shape, coarse.shape, strict=True)]


def _steps(arrays: Sequence[Any]) -> Iterator[tuple[Any, Any, Box]]:
    for fine, coarse in itertools.pairwise(arrays):
        for block in _shards(coarse):
            yield fine, coarse, block.write_box


def _shards(array: Any) -> BlockGrid:
    return BlockGrid(Box.whole(array.shape), array.shards or array.chunks)


def _piece(shard: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    """Grow a chunk along the last axes to a piece of bounded size."""
    piece = list(chunk)
    for axis in reversed(range(len(piece))):
        room = max(1, _PIECE_VOXELS // math.prod(piece))
        piece[axis] = min(-(-shard[axis] // chunk[axis]), room) * chunk[axis]
    return tuple(piece)


def majority(voxels: Voxels, factors: Sequence[int]) -> Voxels:
    """Most frequent value of each window; a tie goes to the smallest value that is not 0.

    Parameters
    ----------
    voxels : integer ndarray
        Labels.
    factors : sequence of int
        Window length per axis; a last window that is cut off counts the voxels it has.

    Returns
    -------
    ndarray
        One value per window.
    """
    parts = _parts(voxels, factors)
    result = parts[0].copy()
    mixed = np.zeros(result.shape, bool)
    for part in parts[1:]:
        mixed |= part != parts[0]
    # Most windows lie inside one object; only the others need a count.
    for here in _small_boxes(result.shape):
        if mixed[here].any():
            candidates = np.stack([part[here][mixed[here]] for part in parts])
            result[here][mixed[here]] = _most_frequent(candidates)
    return result


def mean(voxels: Voxels, factors: Sequence[int]) -> Voxels:
    """Mean of each window, rounded for integers; arguments as for `majority`."""
    parts = _parts(voxels, factors)
    exact = voxels.dtype.itemsize <= 2 or voxels.dtype == np.float32
    total: NDArray[Any] = parts[0].astype(np.float32 if exact else np.float64)
    for part in parts[1:]:
        np.add(total, part, out=total)
    np.divide(total, len(parts), out=total)
    if voxels.dtype.kind != "f":
        np.rint(total, out=total)
    return total.astype(voxels.dtype)


def _parts(voxels: Voxels, factors: Sequence[int]) -> list[Voxels]:
    """Give the n-th voxel of all windows as one array, for each n.

    A window that is cut off is filled with its own last voxels. For the factors 1 and 2 that are
    written here this repeats each of them equally often, which changes neither majority nor mean.
    """
    missing = [(0, -n % f) for n, f in zip(voxels.shape, factors, strict=True)]
    if any(after for _, after in missing):
        voxels = np.pad(voxels, missing, mode="edge")
    return [
        voxels[tuple(slice(o, None, f) for o, f in zip(offset, factors, strict=True))]
        for offset in itertools.product(*map(range, factors))
    ]


def _small_boxes(shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    side = int(_COUNTED_VOXELS ** (1 / len(shape)))
    for block in BlockGrid(Box.whole(shape), (side,) * len(shape)):
        yield block.write_box.slices


def _most_frequent(candidates: Voxels) -> Voxels:
    """Most frequent value of each column; candidates of shape (K, N)."""
    # As unsigned numbers minus one, 0 becomes the largest: it loses every tie.
    rank = candidates.view(f"u{candidates.dtype.itemsize}") - 1
    best: Voxels = candidates[0].copy()
    best_rank = rank[0].copy()
    best_count = np.zeros(best.shape, np.uint8)
    for value, value_rank in zip(candidates, rank, strict=True):
        count = (candidates == value).sum(axis=0, dtype=np.uint8)
        better = (count > best_count) | ((count == best_count) & (value_rank < best_rank))
        best[better], best_rank[better] = value[better], value_rank[better]
        best_count[better] = count[better]
    return best
