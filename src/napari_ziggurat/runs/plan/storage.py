"""Storage: chunks and shards of an output; a chunk is a cell, a shard is a block."""

import math
from collections.abc import Sequence

from napari_ziggurat.errors import InputError

__all__ = ["storage_of"]

_SIDE = {2: 2048, 3: 256}  # of a block, by the number of axes
_SLICES = 16  # of a block whose cells are one slice thick
_TO_SHARE, _SMALL = 32, 2**21  # blocks, voxels


def storage_of(
    shape: tuple[int, ...], cell: tuple[int, ...], asked: tuple[int, ...] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose chunk and shard of an output.

    A shard is a good file, some megabytes of labels. Of a small region there would be so few that
    several workers could not share them evenly; its shards are smaller, whoever computes them.

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
    wanted = _cells_wanted(cell) if asked is None else _cells_asked(asked, chunk)
    wanted = [min(w, f) for w, f in zip(wanted, fits, strict=True)]
    if asked is None:
        wanted = _to_share(wanted, chunk, fits)
    return chunk, tuple(c * w for c, w in zip(chunk, wanted, strict=True))


def _cells_wanted(cell: tuple[int, ...]) -> list[int]:
    dims = len(cell)
    side = _SIDE[dims] if cell[0] > 1 or dims == 2 else _SIDE[3] * 4
    return [_SLICES if c == 1 else max(1, side // c) for c in cell]


def _cells_asked(asked: tuple[int, ...], chunk: tuple[int, ...]) -> list[int]:
    if len(asked) != len(chunk):
        raise InputError(
            f"--block needs one size per spatial axis of the image, that is {len(chunk)}; got "
            f"{','.join(map(str, asked))}."
        )
    return [-(-a // c) for a, c in zip(asked, chunk, strict=True)]


def _to_share(wanted: Sequence[int], chunk: Sequence[int], fits: Sequence[int]) -> list[int]:
    """Halve blocks along their longest axis until there are enough, or they are small."""
    cells = list(wanted)
    while (
        max(cells) > 1
        and math.prod(cells) * math.prod(chunk) > _SMALL
        and _blocks(cells, fits) < _TO_SHARE
    ):
        longest = cells.index(max(cells))
        cells[longest] = -(-cells[longest] // 2)
    return cells


def _blocks(cells: Sequence[int], fits: Sequence[int]) -> int:
    return math.prod(-(-f // c) for f, c in zip(fits, cells, strict=True))
