"""Windows: each voxel is decided by one cell, each cell by one window around it."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry.blocks import BlockGrid
from napari_ziggurat.geometry.box import Box

__all__ = ["Cell", "Lattice"]


@dataclass(frozen=True)
class Cell:
    """The voxels that one window decides, and the window that is read for them.

    ``window`` may reach past the image by less than the network's stride; ``read_box`` is the
    part of it that exists.
    """

    box: Box
    window: Box
    read_box: Box


@dataclass(frozen=True)
class Lattice:
    """Cells and windows of one image, anchored to the image and to nothing else.

        |<------------ window ------------>|
        |  rim  |<----- cell ----->|  rim  |
        ........[      cell i      ][     cell i+1     ].......

    Cells tile the image from its origin. A window is its cell grown by the rim and pushed inward at
    the border of the image, so that it holds real voxels. It starts on the network's stride, so
    that pooling has the same phase everywhere.

    Attributes
    ----------
    shape : tuple of int
        Shape of the image, ((Z), Y, X).
    window : tuple of int
        Wished window shape; cut down to images that are smaller.
    rim : tuple of int
        Context around each cell; a multiple of ``stride`` on each axis.
    stride : tuple of int
        Total stride of the network.
    blend : bool
        Neighbouring windows fade into each other at the borders of their cells, as
        `blend_weights` says; otherwise a window decides its cell alone.

    Raises
    ------
    InputError
        Window or rim is no multiple of the stride, or the rim leaves no cell.
    """

    shape: tuple[int, ...]
    window: tuple[int, ...]
    rim: tuple[int, ...]
    stride: tuple[int, ...]
    blend: bool = False

    def __post_init__(self) -> None:
        for what, values in (("Window", self.window), ("Rim", self.rim)):
            if any(v % m for v, m in zip(values, self.stride, strict=True)):
                nearest = tuple(-(-v // m) * m for v, m in zip(values, self.stride, strict=True))
                raise InputError(
                    f"{what} {values} is not a multiple of {self.stride}, the network's stride. "
                    f"Nearest that fits: {nearest}."
                )
        if any(w <= 2 * r for w, r in zip(self.window, self.rim, strict=True)):
            raise InputError(
                f"Window {self.window} leaves no cell between two rims of {self.rim}; "
                "take a larger window or a smaller rim."
            )

    @property
    def cell_shape(self) -> tuple[int, ...]:
        """Distance between windows: the window without its two rims.

        Along an axis where one window holds the whole image there is one cell.
        """
        return tuple(
            n if n <= w else w - 2 * r
            for n, w, r in zip(self.padded_shape, self.window, self.rim, strict=True)
        )

    @property
    def padded_shape(self) -> tuple[int, ...]:
        """Shape of the image, rounded up to the stride."""
        return tuple(-(-n // m) * m for n, m in zip(self.shape, self.stride, strict=True))

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Window shape for this image: the wished one, or the whole padded image."""
        return tuple(min(w, n) for w, n in zip(self.window, self.padded_shape, strict=True))

    @property
    def reach(self) -> tuple[int, ...]:
        """How far a window counts beyond its cell: half a rim where windows blend, else nothing.

        The outer half of the rim is context only, and never two borders fade at one place.
        """
        return tuple(
            min(r, s) // 2 if self.blend else 0
            for r, s in zip(self.rim, self.cell_shape, strict=True)
        )

    def count(self, region: Box) -> int:
        """How many windows a region needs."""
        return math.prod(map(len, self._ranges(region)))

    def total(self, grid: BlockGrid) -> int:
        """How many windows the blocks of a grid need, each by itself.

        A product of sums over the axes, so that a grid of millions costs no more than its edges.
        """
        per_axis: list[int] = [0] * len(self.shape)
        for axis, count in enumerate(grid.counts):
            for i in range(count):
                index = tuple(i if a == axis else 0 for a in range(len(self.shape)))
                per_axis[axis] += len(self._ranges(grid.block(index).write_box)[axis])
        return math.prod(per_axis)

    def cells(self, region: Box) -> Iterator[Cell]:
        """Cells whose windows count in a region of the image, in storage order."""
        for index in itertools.product(*self._ranges(region)):
            yield self.cell(index)

    def indices(self, region: Box) -> Box:
        """Give the indices of the cells whose windows count in a region, as a box of them."""
        ranges = self._ranges(region)
        return Box(tuple(r.start for r in ranges), tuple(r.stop for r in ranges))

    def index(self, cell: Cell) -> tuple[int, ...]:
        """Give the index of a cell per axis."""
        return tuple(a // s for a, s in zip(cell.box.start, self.cell_shape, strict=True))

    def support(self, cell: Cell) -> Box:
        """Voxels of the image in which the window of a cell counts."""
        return Box(
            tuple(max(0, a - h) for a, h in zip(cell.box.start, self.reach, strict=True)),
            tuple(
                min(b + h, n) for b, h, n in zip(cell.box.stop, self.reach, self.shape, strict=True)
            ),
        )

    def read_box(self, region: Box) -> Box:
        """Voxels of the image that the windows of a region read; its cells lie side by side."""
        ranges = self._ranges(region)
        first = self.cell(tuple(r.start for r in ranges))
        last = self.cell(tuple(r.stop - 1 for r in ranges))
        return Box(first.read_box.start, last.read_box.stop)

    def _ranges(self, region: Box) -> list[range]:
        """Give the indices of the cells of a region that is not empty, per axis."""
        return [
            range(max(0, a - h) // s, -(-min(n, b + h) // s))
            for a, b, h, s, n in zip(
                region.start, region.stop, self.reach, self.cell_shape, self.shape, strict=True
            )
        ]

    def cell(self, index: tuple[int, ...]) -> Cell:
        """Give the cell of an index per axis."""
        whole = Box.whole(self.shape)
        start = tuple(i * s for i, s in zip(index, self.cell_shape, strict=True))
        stop = tuple(a + s for a, s in zip(start, self.cell_shape, strict=True))
        corner = tuple(
            max(0, min(a - r, n - w))
            for a, r, n, w in zip(
                start, self.rim, self.padded_shape, self.window_shape, strict=True
            )
        )
        window = Box(corner, tuple(a + w for a, w in zip(corner, self.window_shape, strict=True)))
        return Cell(Box(start, stop).intersect(whole), window, window.intersect(whole))
