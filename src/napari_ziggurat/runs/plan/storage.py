"""Storage: chunks and shards of an output; a chunk is a cell, a shard is a block."""

import math
from collections.abc import Sequence

from napari_ziggurat.errors import InputError

__all__ = ["storage_of"]

_SLICES = 16  # of a block whose cells are one slice thick
# Voxels of a block: at most, and how few it may have to give so many blocks.
_LARGE, _SMALL, _TO_SHARE = 2**22, 2**21, 32


def storage_of(
    shape: tuple[int, ...], cell: tuple[int, ...], asked: tuple[int, ...] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose chunk and shard of an output.

    A shard is a good file, some megabytes of labels, and little beside the memory of a window. Of a
    small region there would be too few to be shared evenly by several workers; its shards are
    smaller, whoever computes them.

    Parameters
    ----------
    shape : tuple of int
        Of what is segmented, per spatial axis.
    cell : tuple of int
        Of the lattice.
    asked : tuple of int, optional
        Least side of a block per axis, where somebody chose it.

    Raises
    ------
    InputError
        There is not one size per axis.
    """
    chunk = tuple(min(c, n) for c, n in zip(cell, shape, strict=True))
    fits = [-(-n // c) for n, c in zip(shape, chunk, strict=True)]
    if asked is None:
        cells = _grown(chunk, fits, min(_LARGE, max(_SMALL, math.prod(shape) // _TO_SHARE)))
    else:
        cells = [min(*each) for each in zip(_cells_asked(asked, chunk), fits, strict=True)]
    return chunk, tuple(c * n for c, n in zip(chunk, cells, strict=True))


def _grown(chunk: Sequence[int], fits: Sequence[int], voxels: int) -> list[int]:
    """Give chunks per axis of a block of at most so many voxels, its sides as even as can be."""
    cells = [min(_SLICES, f) if c == 1 else 1 for c, f in zip(chunk, fits, strict=True)]
    axes = [axis for axis, c in enumerate(chunk) if c > 1][::-1]  # what lies together, first
    while growing := [axis for axis in axes if cells[axis] < fits[axis]]:
        shortest = min(growing, key=lambda axis: cells[axis] * chunk[axis])
        cells[shortest] += 1
        if math.prod(cells) * math.prod(chunk) > voxels:
            cells[shortest] -= 1
            break
    return cells


def _cells_asked(asked: tuple[int, ...], chunk: tuple[int, ...]) -> list[int]:
    if len(asked) != len(chunk):
        raise InputError(
            f"--block needs one size per spatial axis of the image, that is {len(chunk)}; got "
            f"{','.join(map(str, asked))}."
        )
    return [-(-a // c) for a, c in zip(asked, chunk, strict=True)]
