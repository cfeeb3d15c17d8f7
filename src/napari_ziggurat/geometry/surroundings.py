"""Surroundings: where the wider, coarser view of a window lies, and the cells it is computed in."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry.box import Box
from napari_ziggurat.geometry.windows import Lattice

__all__ = ["SurroundCell", "SurroundGrids", "SurroundLattice", "mirrored"]


@dataclass(frozen=True)
class SurroundGrids:
    """The grids on which a network looks at an image and at its surroundings.

        fine      | | | | | | | | | | | | | | | | |    voxels of the image
        coarse    |       |       |       |       |    ``factor`` of them: what the branch reads
        hook      |               |               |    ``hook`` of them: where its feature joins

    All of them begin where the image begins. A coarse voxel covers the fine voxels ``i * factor``
    to ``(i + 1) * factor``, and is their mean.

    Attributes
    ----------
    factor : tuple of int
        Fine voxels per coarse voxel and axis.
    hook : tuple of int
        Fine voxels per voxel of the hook feature; a multiple of ``factor``.
    stride : tuple of int
        Total stride of the branch in coarse voxels: its windows start on multiples.
    """

    factor: tuple[int, ...]
    hook: tuple[int, ...]
    stride: tuple[int, ...]

    def seen_by(self, axes: int) -> "SurroundGrids":
        """Give the same for images of so many axes; the network does not see the first ones."""
        ones = (1,) * (axes - len(self.factor))
        return SurroundGrids(ones + self.factor, ones + self.hook, ones + self.stride)

    @property
    def ratio(self) -> tuple[int, ...]:
        """Coarse voxels per voxel of the hook feature."""
        return tuple(h // f for h, f in zip(self.hook, self.factor, strict=True))

    def coarse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the coarse image; its last voxels may stand for fewer fine ones."""
        return tuple(-(-n // f) for n, f in zip(shape, self.factor, strict=True))

    def patch(self, fine: Sequence[int]) -> tuple[int, ...]:
        """Coarse voxels around a patch: as many as it has, or one hook voxel fewer.

        Only so both have one centre on the grid of the hook.
        """
        found = []
        for n, h, f in zip(fine, self.hook, self.factor, strict=True):
            inside, step = -(-n // h), h // f
            around = max(inside, n // step)
            found.append((around - (around - inside) % 2) * step)
        return tuple(found)

    def around(self, box: Box) -> Box:
        """Coarse voxels around a patch that starts on the grid of the hook.

        They may begin before the image and end behind it.
        """
        start = []
        sizes = self.patch(box.shape)
        for a, n, wide, h, f in zip(
            box.start, box.shape, sizes, self.hook, self.factor, strict=True
        ):
            margin = (wide * f // h - -(-n // h)) // 2
            start.append((a // h - margin) * (h // f))
        return Box(tuple(start), tuple(a + n for a, n in zip(start, sizes, strict=True)))

    def hooks(self, box: Box) -> Box:
        """Voxels of the hook feature that cover a box which starts on their grid."""
        return Box(
            tuple(a // h for a, h in zip(box.start, self.hook, strict=True)),
            tuple(-(-b // h) for b, h in zip(box.stop, self.hook, strict=True)),
        )


@dataclass(frozen=True)
class SurroundCell:
    """What is computed of the surroundings at once.

    Attributes
    ----------
    window : Box
        Coarse voxels that the branch sees; they may begin before the image and end behind it.
    hooks : Box
        Voxels of the hook feature that are kept of it.
    """

    window: Box
    hooks: Box


@dataclass(frozen=True)
class SurroundLattice:
    """Cells of the surroundings of a whole image, anchored to the image and to nothing else.

    Cells tile the coarse image from its origin. The window of a cell is the cell grown by the rim.
    It is not pushed inward at the border of the image: there the image goes on mirrored, as it
    does around the patches of training.

    Attributes
    ----------
    grids : SurroundGrids
    shape : tuple of int
        Coarse voxels that are covered; multiples of the hook's grid.
    cell_shape, rim : tuple of int
        Coarse voxels; multiples of the stride of the branch.
    """

    grids: SurroundGrids
    shape: tuple[int, ...]
    cell_shape: tuple[int, ...]
    rim: tuple[int, ...]

    @classmethod
    def of(cls, grids: SurroundGrids, fine: Lattice) -> "SurroundLattice":
        """Choose cells for the windows of an image: about as large, a quarter on each side is rim.

        That is about as much as patches of training have around them, and rounded down: every
        voxel of the rim is read and computed for several cells.
        """
        shape = tuple(n // f for n, f in zip(fine.padded_shape, grids.factor, strict=True))
        cells, rims = [], []
        for window, n, m in zip(fine.window, shape, grids.stride, strict=True):
            # Farther than the image is long there is nothing but the image again, mirrored.
            rim = 0 if window == 1 else min(max(m, window // 4 // m * m), _ceil(n, m))
            cells.append(min(max(m, (window - 2 * rim) // m * m), _ceil(n, m)))
            rims.append(rim)
        return cls(grids, shape, tuple(cells), tuple(rims))

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Shape of a window in the middle of the image, the largest there is."""
        return tuple(c + 2 * r for c, r in zip(self.cell_shape, self.rim, strict=True))

    @property
    def counts(self) -> tuple[int, ...]:
        """Cells per axis."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.cell_shape, strict=True))

    @property
    def hook_shape(self) -> tuple[int, ...]:
        """Voxels of the hook feature over the whole image."""
        return tuple(n // r for n, r in zip(self.shape, self.grids.ratio, strict=True))

    def count(self, region: Box) -> int:
        """How many cells the windows in a box of the image need."""
        return math.prod(map(len, self._ranges(self.grids.hooks(region))))

    def indices(self, hooks: Box) -> Iterator[tuple[int, ...]]:
        """Give the indices of the cells that hold voxels of the hook feature, in storage order."""
        return itertools.product(*self._ranges(hooks))

    def cell(self, index: tuple[int, ...]) -> SurroundCell:
        """Give the cell of an index per axis; at the end of the image it may be smaller."""
        start, stop = [], []
        for i, c, n, m in zip(index, self.cell_shape, self.shape, self.grids.stride, strict=True):
            start.append(i * c)
            stop.append(min((i + 1) * c, _ceil(n, m)))
        window = Box(
            tuple(a - r for a, r in zip(start, self.rim, strict=True)),
            tuple(b + r for b, r in zip(stop, self.rim, strict=True)),
        )
        ratio = self.grids.ratio
        hooks = Box(
            tuple(a // r for a, r in zip(start, ratio, strict=True)),
            tuple(min(b, n) // r for b, n, r in zip(stop, self.shape, ratio, strict=True)),
        )
        return SurroundCell(window, hooks)

    def read_box(self, region: Box, shape: Sequence[int]) -> Box:
        """Voxels of an image of this shape that the surroundings of a box of it are made of."""
        ranges = self._ranges(self.grids.hooks(region))
        first = self.cell(tuple(r.start for r in ranges)).window
        last = self.cell(tuple(r.stop - 1 for r in ranges)).window
        start, stop = [], []
        for a, b, f, n in zip(first.start, last.stop, self.grids.factor, shape, strict=True):
            seen = mirrored(range(a, b), -(-n // f))
            start.append(int(seen.min()) * f)
            stop.append(min(n, (int(seen.max()) + 1) * f))
        return Box(tuple(start), tuple(stop))

    def _ranges(self, hooks: Box) -> list[range]:
        per_cell = [c // r for c, r in zip(self.cell_shape, self.grids.ratio, strict=True)]
        return [
            range(max(0, a) // c, max(1, -(-min(b, n) // c)))
            for a, b, c, n in zip(hooks.start, hooks.stop, per_cell, self.hook_shape, strict=True)
        ]


def mirrored(positions: range, size: int) -> NDArray[np.int64]:
    """Give the voxel that stands at each position of an axis that goes on mirrored at both ends.

    The last voxel comes twice, and an axis that is too short is mirrored again and again.
    """
    place = np.arange(positions.start, positions.stop) % (2 * size)
    found: NDArray[np.int64] = np.where(place < size, place, 2 * size - 1 - place)
    return found


def _ceil(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
