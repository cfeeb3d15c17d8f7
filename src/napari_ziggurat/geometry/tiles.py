"""Tiles: cells in groups, about which one thing is decided together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry.box import Box

__all__ = ["Tiles"]


@dataclass(frozen=True)
class Tiles:
    """Cells of a region in groups that are anchored to the image; the first may be cut.

        cells    | 3 | 4 | 5 | 6 | 7 |      a region that begins at cell 3
        tiles    | 1 |   2   |   3   |      size 2

    Attributes
    ----------
    cells : Box
        Indices of the cells of the region.
    size : int
        Cells of a tile along each axis.
    """

    cells: Box
    size: int

    @property
    def counts(self) -> tuple[int, ...]:
        """Tiles per axis."""
        return tuple(len(firsts) for firsts in self._firsts)

    def largest(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the largest value among the cells of each tile.

        Parameters
        ----------
        values : (..., (Z), Y, X) array
            One for each cell.

        Returns
        -------
        (..., (Z), Y, X) array
            One for each tile.
        """
        leading = values.ndim - self.cells.ndim
        for axis, firsts in enumerate(self._firsts, leading):
            values = np.maximum.reduceat(values, firsts, axis)
        return values

    def spread(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Give each cell the value of its tile; as `largest`, the other way round."""
        leading = values.ndim - self.cells.ndim
        for axis, length in enumerate(self.cells.shape):
            start = self.cells.start[axis]
            cells = np.arange(start, start + length)
            values = values.take(cells // self.size - start // self.size, leading + axis)
        return values

    def number(self, cell: tuple[int, ...]) -> int:
        """Place of the tile of a cell among all tiles, in storage order."""
        first = [a // self.size for a in self.cells.start]
        place = [i // self.size - a for i, a in zip(cell, first, strict=True)]
        return int(np.ravel_multi_index(place, self.counts))

    @property
    def _firsts(self) -> list[list[int]]:
        """First cell of each tile, counted from the region's, per axis."""
        return [
            [max(tile * self.size - a, 0) for tile in range(a // self.size, -(-b // self.size))]
            for a, b in zip(self.cells.start, self.cells.stop, strict=True)
        ]
