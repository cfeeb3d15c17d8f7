"""Table model: the rows of a table that are shown, for Qt's view."""

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from napari_ziggurat.gui.objects.rows import NUMBER, Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST", "TableModel"]

MOST = 1000  # rows that are shown at once: a longer list is scrolled by nobody

_NONE = QModelIndex()
_NO_ROWS = Rows({NUMBER: np.zeros(0, int)})


class TableModel(QAbstractTableModel):
    """Shows the first rows of those that match, in the order of a column that is clicked."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows = _NO_ROWS
        self.matching = 0
        self._shown: NDArray[np.intp] = np.zeros(0, np.intp)
        self._names: list[str] = []
        self._words, self._by, self._descending = "", "", False

    def show_rows(self, rows: Rows | None) -> None:
        """Show another table, or none."""
        self.rows = _NO_ROWS if rows is None else rows
        self._names = [] if rows is None else list(rows.columns)
        (self._words, self._by) = ("", "")
        self._arrange()

    def filter(self, words: str) -> None:
        """Show the rows that match; see `Rows.order`.

        Raises
        ------
        InputError
            The words are not understood; what is shown stays.
        """
        self.rows.order(words)
        self._words = words
        self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order by a column; Qt calls this when its heading is clicked."""
        self._by = self._names[column] if 0 <= column < len(self._names) else ""
        self._descending = order == Qt.SortOrder.DescendingOrder
        self._arrange()

    def number_at(self, row: int) -> int:
        """Give the object of a row that is shown."""
        return int(self.rows.columns[NUMBER][self._shown[row]])

    def place_of(self, number: int) -> int | None:
        """Give the place of an object among what is shown, on top where it was not; else None."""
        row = self.rows.find(number)
        if row is None:
            return None
        found = np.flatnonzero(self._shown == row)
        if len(found):
            return int(found[0])
        self.beginResetModel()
        self._shown = np.concatenate([[row], self._shown[: MOST - 1]]).astype(np.intp)
        self.endResetModel()
        return 0

    def rowCount(self, parent: QModelIndex = _NONE) -> int:
        """Rows that are shown."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: QModelIndex = _NONE) -> int:
        """Columns of the table."""
        return 0 if parent.isValid() else len(self._names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Give the text of a cell, and where it stands."""
        column = self.rows.columns[self._names[index.column()]]
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(column[self._shown[index.row()]])
        if role == Qt.ItemDataRole.TextAlignmentRole and column.dtype.kind in "iuf":
            # A number: not every binding of Qt takes flags from a model.
            return (Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter).value
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Give the name of a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._names[section]
        return None

    def _arrange(self) -> None:
        self.beginResetModel()
        rows = self.rows.order(self._words, self._by, descending=self._descending)
        (self.matching, self._shown) = (len(rows), rows[:MOST])
        self.endResetModel()


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return str(value)
