"""One block: read, normalise, predict, cut the cells."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Cell, Lattice
from napari_ziggurat.inference.fusing import Fuser
from napari_ziggurat.inference.labels import Decided, Decision
from napari_ziggurat.inference.levels import PredictedLevel
from napari_ziggurat.inference.predictor import Logits, Predictor
from napari_ziggurat.inference.window import Surrounded, Window, is_constant

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["CellPredictor", "Piece", "WindowReader"]


@dataclass(frozen=True, eq=False)
class Piece:
    """What the window of a cell says, one array per level that is predicted.

    Attributes
    ----------
    cell : Cell
    box : Box
        Voxels of the image that it is about: the cell, and what lies around where windows blend.
    labels : tuple of ((Z), Y, X) uint8 arrays
        None where windows blend: they follow from the probabilities of all of them.
    probabilities : tuple of (classes, (Z), Y, X) float32 arrays
        None where they are not wanted.
    constant : bool
        The window held one value per channel, and nothing was seen around it.
    """

    cell: Cell
    box: Box
    labels: tuple[NDArray[np.uint8], ...]
    probabilities: tuple[NDArray[np.float32], ...]
    constant: bool = False


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
    around : callable or None
        Box of a window -> hook feature of its surroundings (F, (Z), Y, X), where they are seen.
    """

    read: Callable[[Box], NDArray[Any]]
    normalise: _Normalise
    flat: bool
    around: Callable[[Box], torch.Tensor] | None = None

    def __call__(self, cell: Cell) -> Window:
        """Give the window (C, (Z), Y, X); mirrored where it passes the end of the image."""
        window = self._image(cell)
        return window if self.around is None else Surrounded(window, self.around(cell.window))

    def _image(self, cell: Cell) -> NDArray[np.float32]:
        image = self.normalise(self.read(cell.read_box))
        missing = [(0, w - n) for w, n in zip(cell.window.shape, cell.read_box.shape, strict=True)]
        window = np.pad(image, [(0, 0), *missing], mode="symmetric")
        return window[:, 0] if self.flat else window


@dataclass(eq=False)
class _Load:
    """Reads the window of a cell, and remembers whether it held one value."""

    cell: Cell
    reader: WindowReader
    constant: bool = False

    def __call__(self) -> Window:
        window = self.reader(self.cell)
        self.constant = is_constant(window)
        return window


@dataclass(frozen=True)
class CellPredictor:
    """Computes the cells of an image.

    Attributes
    ----------
    lattice : Lattice
        Cells and windows.
    levels : tuple of PredictedLevel
        One for each output that the predictor gives, in the same order.
    decision : Decision
        What is made of the logits.
    predictor : Predictor
    """

    lattice: Lattice
    levels: tuple[PredictedLevel, ...]
    decision: Decision
    predictor: Predictor

    def submit(
        self, cell: Cell, reader: WindowReader, fuser: Fuser | None = None
    ) -> "Future[Piece]":
        """Compute a cell in another thread.

        Parameters
        ----------
        cell : Cell
            Of the lattice.
        reader : WindowReader
            Reads its window.
        fuser : Fuser, optional
            Has a say in what becomes of the probabilities; the piece then lies in its region.
        """
        load = _Load(cell, reader)
        return self.predictor.submit(load, partial(self._cut, load, fuser))

    def predict(self, write_box: Box, reader: WindowReader) -> Iterator[Piece]:
        """Compute the cells of a box, in storage order.

        Where there are coarser levels the box starts on their grids, as cells and windows do: then
        each of their voxels, too, is decided by one cell.
        """
        cells = self.lattice.cells(write_box)
        return self.predictor.ahead(partial(self.submit, cell, reader) for cell in cells)

    @torch.inference_mode()
    def _cut(self, load: "_Load", fuser: Fuser | None, logits: Logits) -> Piece:
        cell = load.cell
        box = self.lattice.support(cell)
        found = []
        for level, output in zip(self.levels, logits, strict=True):
            inside = level.box(box).relative_to(level.box(cell.window).start).slices
            in_space = output[:, None] if load.reader.flat else output
            found.append(self.decision(in_space[(slice(None), *inside)]))
        if fuser is not None:
            box, found = _fused(fuser, box, found[0])
        labels = tuple(each.labels for each in found if each.labels is not None)
        kept = tuple(each.probabilities for each in found if each.probabilities is not None)
        return Piece(cell, box, labels, kept, load.constant)


def _fused(fuser: Fuser, box: Box, decided: Decided) -> tuple[Box, list[Decided]]:
    """Fuse what lies in the fuser's region.

    It is cut out after softmax: the last bits of that depend on where in its array a voxel is.
    """
    assert decided.probabilities is not None  # whoever fuses asks for them
    here = box.intersect(fuser.region)
    inside = here.relative_to(box.start).slices
    return here, [fuser(here, decided.probabilities[(slice(None), *inside)])]
