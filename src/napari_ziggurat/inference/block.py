"""One block: read, normalise, predict, cut the cells, assemble."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Cell, Lattice
from napari_ziggurat.inference.predictor import Predictor

__all__ = ["WindowReader", "predict_block"]

Piece = tuple[Box, NDArray[np.float32]]


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
    write_box: Box, lattice: Lattice, reader: WindowReader, predictor: Predictor
) -> Iterator[Piece]:
    """Compute the probabilities of a block, cell by cell.

    Yields
    ------
    box : Box
        Voxels of the image that are decided now; together they are ``write_box``.
    probabilities : (classes, (Z), Y, X) float32 array
        For these voxels.
    """

    def cut(cell: Cell, probabilities: NDArray[np.float32]) -> Piece:
        if reader.flat:
            probabilities = probabilities[:, np.newaxis]
        box = cell.box.intersect(write_box)
        inside = box.relative_to(cell.window.start)
        return box, np.ascontiguousarray(probabilities[(slice(None), *inside.slices)])

    return predictor.map(lattice.cells(write_box), reader, cut)
