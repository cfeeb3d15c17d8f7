"""Spots: boxes of an image with how uncertain they are and what they look like, from windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Cell, Lattice, cut
from napari_ziggurat.inference.block import WindowReader
from napari_ziggurat.inference.predictor import Logits, Predictor
from napari_ziggurat.inference.window import Window, image_of

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Looked", "Spot", "SpotFinder"]


@dataclass(frozen=True)
class Spot:
    """A box that might be annotated.

    Attributes
    ----------
    box : Box
        Voxels of the level that was looked at.
    time : int
        Time point.
    score : float
        Sum of the entropy of its voxels, divided by the voxels of a box that is whole, so that
        what the end of the image leaves of one counts for less. 0 to 1.
    entropy, disagreement : float
        Means over the box, 0 to 1.
    classes : tuple of float
        Mean probability of each class in the box.
    look : tuple of float
        What the box looks like: `classes`, and of each channel the mean, the spread and the mean
        difference of neighbours.
    """

    box: Box
    time: int
    score: float
    entropy: float
    disagreement: float
    classes: tuple[float, ...]
    look: tuple[float, ...]


@dataclass(frozen=True)
class Looked:
    """Spots that were found in so many windows."""

    windows: int
    spots: tuple[Spot, ...] = ()


@dataclass(eq=False)
class _Load:
    """Reads the window of a cell, and keeps it."""

    cell: Cell
    reader: WindowReader
    window: Window | None = None

    def __call__(self) -> Window:
        self.window = self.reader(self.cell)
        return self.window


@dataclass(frozen=True)
class SpotFinder:
    """Makes spots of cells: each cell is cut into equal boxes of about a wished size.

    A spot is thus decided by one window, and what it gets depends on nothing else.

    Attributes
    ----------
    lattice : Lattice
        Cells and windows.
    size : tuple of int
        Wished shape of a spot, in voxels of the level.
    region : Box
        Spots are cut off at its end.
    predictor : Predictor
        Of an `UncertainNetwork`.
    """

    lattice: Lattice
    size: tuple[int, ...]
    region: Box
    predictor: Predictor

    def submit(self, cell: Cell, reader: WindowReader, time: int) -> "Future[Looked]":
        """Look at a cell in another thread; ``reader`` reads its window."""
        load = _Load(cell, reader)
        return self.predictor.submit(load, partial(self._measure_all, load, time))

    def boxes(self, cell: Cell) -> list[Box]:
        """Boxes that a cell is cut into, as far as they are in the region."""
        parts = (part.intersect(self.region) for part in cut(cell.box, self.size))
        return [part for part in parts if part.size]

    @torch.inference_mode()
    def _measure_all(self, load: _Load, time: int, found: Logits) -> Looked:
        assert load.window is not None  # it was computed
        maps, grey = found[0], image_of(load.window)
        if load.reader.flat:
            maps, grey = maps[:, None], grey[:, None]
        spots = []
        for box in self.boxes(load.cell):
            inside = (slice(None), *box.relative_to(load.cell.window.start).slices)
            if not _is_constant(grey[inside]):  # there is nothing to see, nor to annotate
                spots.append(self._measure(box, time, maps[inside], grey[inside]))
        return Looked(1, tuple(spots))

    def _measure(self, box: Box, time: int, maps: torch.Tensor, grey: NDArray[np.float32]) -> Spot:
        *classes, entropy, disagreement = maps.flatten(1).mean(dim=1).tolist()
        score = entropy * min(1.0, box.size / self._whole)
        look = (*classes, *_look(grey))
        return Spot(box, time, score, entropy, disagreement, tuple(classes), look)

    @property
    def _whole(self) -> float:
        """Voxels of a spot that is not cut off."""
        size = 1.0
        for cell, wished in zip(self.lattice.cell_shape, self.size, strict=True):
            size *= cell / max(1, round(cell / wished))
        return size


def _is_constant(grey: NDArray[np.float32]) -> bool:
    first = grey.reshape(len(grey), -1)[:, :1]
    return bool((grey.reshape(len(grey), -1) == first).all())


def _look(grey: NDArray[np.float32]) -> Sequence[float]:
    """Mean, spread and mean difference of neighbours in the plane, of each channel."""
    flat = grey.reshape(len(grey), -1).astype(np.float64)
    differences = [_differences(grey, axis) for axis in (-2, -1)]
    rough = np.mean(differences, axis=0)
    found: list[float] = np.concatenate([flat.mean(1), flat.std(1), rough]).tolist()
    return found


def _differences(grey: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    if grey.shape[axis] < 2:
        return np.zeros(len(grey))
    found: NDArray[np.float64] = (
        np.abs(np.diff(grey, axis=axis)).reshape(len(grey), -1).mean(1, dtype=np.float64)
    )
    return found
