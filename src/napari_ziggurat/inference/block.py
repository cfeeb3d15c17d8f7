"""One block: read, normalise, predict, cut the cells, assemble."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Cell, Lattice
from napari_ziggurat.inference.levels import PredictedLevel
from napari_ziggurat.inference.predictor import Predictor

__all__ = ["Piece", "WindowReader", "predict_block"]

Piece = tuple[Box, list[NDArray[np.float32]]]


class _Normalise(Protocol):
    def __call__(self, image: NDArray[Any], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class WindowReader:
    """Reads the window of a cell as the network wants it.

    Attributes
    ----------
    read : callable
        Box -> image (C, (Z), Y, X) as stored.
    normalise : callable
        Image as stored -> float32.
    flat : bool
        The network sees planes: the axis of length one is dropped.
    """

    read: Callable[[Box], NDArray[Any]]
    normalise: _Normalise
    flat: bool

    def __call__(self, cell: Cell) -> NDArray[np.float32]:
        """Give the window (C, (Z), Y, X); mirrored where it passes the end of the image."""
        image = self.normalise(self.read(cell.read_box))
        missing = [(0, w - n) for w, n in zip(cell.window.shape, cell.read_box.shape, strict=True)]
        window = np.pad(image, [(0, 0), *missing], mode="symmetric")
        return window[:, 0] if self.flat else window


def predict_block(
    write_box: Box,
    lattice: Lattice,
    levels: Sequence[PredictedLevel],
    reader: WindowReader,
    predictor: Predictor,
) -> Iterator[Piece]:
    """Compute the probabilities of a block, cell by cell.

    Parameters
    ----------
    write_box : Box
        Voxels of the image. Where there are coarser levels it starts on their grids, as cells and
        windows do: then each of their voxels, too, is decided by one cell.
    lattice : Lattice
        Cells and windows.
    levels : sequence of PredictedLevel
        One for each output that the predictor gives, in the same order.
    reader : WindowReader
        Reads the windows.
    predictor : Predictor
        Computes them.

    Yields
    ------
    box : Box
        Voxels of the image that are decided now; together they are ``write_box``.
    probabilities : list of (classes, (Z), Y, X) float32 arrays
        For these voxels, at each level.
    """

    def cut(cell: Cell, predictions: Sequence[NDArray[np.float32]]) -> Piece:
        box = cell.box.intersect(write_box)
        parts = []
        for level, found in zip(levels, predictions, strict=True):
            inside = level.box(box).relative_to(level.box(cell.window).start).slices
            with_axis = found[:, np.newaxis] if reader.flat else found
            parts.append(np.ascontiguousarray(with_axis[(slice(None), *inside)]))
        return box, parts

    return predictor.map(lattice.cells(write_box), reader, cut)
