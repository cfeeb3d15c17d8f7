"""Background: what a network makes of windows that hold one value, where nothing is stored."""

from collections.abc import Iterable

from napari_ziggurat.geometry import Box, Cell
from napari_ziggurat.inference.block import CellPredictor, Piece, WindowReader
from napari_ziggurat.inference.labels import most_probable

__all__ = ["Background"]


class Background:
    """Tells where windows of one value throughout would be labelled background and nothing else.

    Logits of such a window are not the same at each of its voxels: zeros that the network pads with
    come in from its border. So each place that cells have in their windows is computed once; there
    are a few of them, in the middle of the image and at its borders.

    Where windows blend, background that is the most probable in each of them is so in their sum
    as well, rounded or not.

    Parameters
    ----------
    cells : CellPredictor
        Of the image.
    """

    def __init__(self, cells: CellPredictor) -> None:
        self._cells = cells
        self._known: dict[tuple[bytes, Box, Box], bool] = {}

    def covers(self, cells: Iterable[Cell], value: bytes, reader: WindowReader) -> bool:
        """Tell whether every voxel of some cells would be background.

        Parameters
        ----------
        cells : iterable of Cell
            All of their windows hold the same value per channel.
        value : bytes
            Names that value, as the network sees it.
        reader : WindowReader
            Gives such windows.
        """
        return all(self._is_background(cell, value, reader) for cell in cells)

    def _is_background(self, cell: Cell, value: bytes, reader: WindowReader) -> bool:
        corner = cell.window.start
        support = self._cells.lattice.support(cell).relative_to(corner)
        key = (value, support, cell.read_box.relative_to(corner))
        if key not in self._known:
            self._known[key] = self._is_empty(self._cells.submit(cell, reader).result())
        return self._known[key]

    def _is_empty(self, piece: Piece) -> bool:
        values = self._cells.decision.values
        labels = piece.labels or [most_probable(each, values) for each in piece.probabilities]
        # Of equally probable classes the first is taken: in a sum that must be background, too.
        return values[0] == 0 and not any(each.any() for each in labels)
