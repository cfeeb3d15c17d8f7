"""Table box: the table of objects with a line to filter it."""

from qtpy.QtCore import QItemSelection, Signal
from qtpy.QtWidgets import QAbstractItemView, QLineEdit, QTableView, QWidget

from napari_ziggurat.errors import InputError
from napari_ziggurat.gui.objects.rows import Rows
from napari_ziggurat.gui.objects.table_model import MOST, TableModel
from napari_ziggurat.gui.widgets import column, note

__all__ = ["TableBox"]

_LINES = 8  # that are seen without scrolling


class TableBox(QWidget):
    """Rows of objects; one of them can be chosen. Click a heading to sort."""

    chosen = Signal(object)  # number of an object; whole numbers of Qt have 32 bits

    def __init__(self) -> None:
        super().__init__()
        self.model = TableModel(self)
        self.filter = QLineEdit()
        self.filter.setObjectName("objects-filter")
        self.filter.setPlaceholderText("filter: volume>20, class=1, a name, a number")
        self.filter.setToolTip(
            "Shows the objects of which all parts are so, such as volume>20, elongation<2. A word "
            "is looked for in the names of classes, a number is that of an object."
        )
        self.filter.textChanged.connect(self._filter)
        self.view = self._make_view()
        self.text = note("objects-shown")
        self.setLayout(column(self.filter, self.view, self.text))

    def show_rows(self, rows: Rows | None) -> None:
        """Show another table, or none."""
        self.model.show_rows(rows)
        self.filter.blockSignals(True)
        self.filter.clear()
        self.filter.blockSignals(False)
        self.view.sortByColumn(-1, self._ascending)
        self.view.resizeColumnsToContents()
        self._tell()

    def mark(self, number: int) -> None:
        """Choose the row of an object without saying so; an object without a row chooses none."""
        selection = self.view.selectionModel()
        if selection is None:
            return
        selection.blockSignals(True)
        place = self.model.place_of(number)
        if place is None:
            self.view.clearSelection()
        else:
            self.view.selectRow(place)
            self.view.scrollTo(self.model.index(place, 0))
        selection.blockSignals(False)
        if (viewport := self.view.viewport()) is not None:
            viewport.update()

    @property
    def number(self) -> int | None:
        """The object whose row is chosen."""
        selection = self.view.selectionModel()
        rows = selection.selectedRows() if selection is not None else []
        return self.model.number_at(rows[0].row()) if rows else None

    def _make_view(self) -> QTableView:
        from qtpy.QtCore import Qt

        self._ascending = Qt.SortOrder.AscendingOrder
        view = QTableView()
        view.setObjectName("objects-table")
        view.setToolTip("Choose a row to be taken to its object; click an object to find its row.")
        view.setModel(self.model)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setSortingEnabled(True)
        view.setShowGrid(False)
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        # Compared with None: an empty header is false.
        if (header := view.verticalHeader()) is not None:
            header.hide()
            header.setDefaultSectionSize(view.fontMetrics().height() + 8)
            view.setFixedHeight((_LINES + 2) * header.defaultSectionSize())
        if (selection := view.selectionModel()) is not None:
            selection.selectionChanged.connect(self._selected)
        return view

    def _selected(self, chosen: QItemSelection, before: QItemSelection) -> None:
        if (number := self.number) is not None:
            self.chosen.emit(number)

    def _filter(self, words: str) -> None:
        try:
            self.model.filter(words)
        except InputError as error:
            self.text.setText(f"⚠ {error}")
        else:
            self._tell()

    def _tell(self) -> None:
        (count, matching) = (len(self.model.rows), self.model.matching)
        shown = f"the first {MOST:,} of " if matching > MOST else ""
        said = f"{shown}{matching:,}" + (f" of {count:,}" if matching < count else "")
        self.text.setText(f"{said} objects")
