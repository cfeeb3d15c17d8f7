"""Class table: what can be painted, with colour, voxels and key; a click takes the brush."""

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, LabelClass
from napari_ziggurat.gui.annotate.classes import ERASER, key_of

__all__ = ["ClassTable"]

_HEADINGS = ("", "Class", "Voxels", "Key")
(_COLOR, _NAME, _COUNT, _KEY) = range(4)
_SWATCH = 16  # pixels
_MOST_ROWS = 8  # that are shown without scrolling


class ClassTable(QTableWidget):
    """One row for background, for each class and for the eraser."""

    chosen = Signal(int)  # value
    renamed = Signal(int, str)  # value and name
    recolored = Signal(int, str)  # value and "#rrggbb"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADINGS), parent)
        self.setObjectName("classes")
        self.setToolTip(
            "Click to take the brush; double-click a name to change it, a colour to choose another."
        )
        self._values: list[int] = []
        self._dialog: QColorDialog | None = None
        self.setHorizontalHeaderLabels(_HEADINGS)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setIconSize(QSize(_SWATCH, _SWATCH))
        self.setShowGrid(False)
        self._shape_columns()
        self.cellClicked.connect(self._clicked)
        self.cellDoubleClicked.connect(self._double_clicked)
        self.itemChanged.connect(self._edited)

    @property
    def value(self) -> int | None:
        """Value of the row that is marked."""
        row = self.currentRow()
        return self._values[row] if 0 <= row < len(self._values) else None

    def show_classes(self, classes: Sequence[LabelClass], counts: Mapping[int, int]) -> None:
        """List what can be painted; what was marked stays so where it is there."""
        (marked, rows) = (self.value, (*classes, ERASER))
        self.blockSignals(True)
        self.setRowCount(len(rows))
        self._values = [each.value for each in rows]
        for row, each in enumerate(rows):
            self._fill_row(row, each, counts.get(each.value, 0))
        self.blockSignals(False)
        self._fit_height()
        if marked is not None:
            self.mark(marked)

    def mark(self, value: int) -> None:
        """Mark the row of a value, without choosing it."""
        row = self._values.index(value) if value in self._values else -1
        self.blockSignals(True)
        self.setCurrentCell(row, _NAME)
        self.blockSignals(False)

    def value_at(self, row: int) -> int | None:
        """Value of a row; None for one that is not there, or is the eraser's."""
        return self._values[row] if 0 <= row < len(self._values) - 1 else None

    def _shape_columns(self) -> None:
        # Compared with None: an empty header is false.
        if (header := self.verticalHeader()) is not None:
            header.hide()
            header.setDefaultSectionSize(self.fontMetrics().height() + 8)
        if (header := self.horizontalHeader()) is not None:
            header.setHighlightSections(False)
            for column in (_COUNT, _KEY):
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(_COLOR, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(_COLOR, _SWATCH + 14)
            header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)

    def _fill_row(self, row: int, each: LabelClass, count: int) -> None:
        eraser = each.value == ERASER.value
        fixed = each.value in (ERASER.value, EXPLICIT_BACKGROUND)
        texts = ("", each.name, "" if eraser else f"{count:,}", "E" if eraser else key_of(row))
        for column, text in enumerate(texts):
            item = self._item_at(row, column)
            item.setText(text)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            if column == _NAME and not fixed:
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            if column in (_COUNT, _KEY):
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            if column == _COLOR:
                swatch = None if eraser else _swatch(each.color)
                item.setData(Qt.ItemDataRole.DecorationRole, swatch)

    def _item_at(self, row: int, column: int) -> QTableWidgetItem:
        """Give the item of a cell; an old one is used again, for it may be edited just now."""
        item = self.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            self.setItem(row, column, item)
        return item

    def _fit_height(self) -> None:
        """Show a few classes whole; more of them scroll."""
        (heading, vertical) = (self.horizontalHeader(), self.verticalHeader())
        if heading is None or vertical is None:
            return
        rows = min(self.rowCount(), _MOST_ROWS)
        height = heading.sizeHint().height() + rows * vertical.defaultSectionSize()
        self.setFixedHeight(height + 2 * self.frameWidth() + 2)

    def _clicked(self, row: int, column: int) -> None:
        self.chosen.emit(self._values[row])

    def _double_clicked(self, row: int, column: int) -> None:
        item = self.item(row, _COLOR)
        if column == _COLOR and item is not None and self._can_change(row):
            self._ask_color(self._values[row], item.data(Qt.ItemDataRole.DecorationRole))

    def _can_change(self, row: int) -> bool:
        return self._values[row] not in (ERASER.value, EXPLICIT_BACKGROUND)

    def _ask_color(self, value: int, swatch: QPixmap) -> None:
        """Let a person choose; the window goes on meanwhile."""
        self._dialog = QColorDialog(swatch.toImage().pixelColor(_SWATCH // 2, _SWATCH // 2), self)
        self._dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._dialog.setProperty("value", value)
        self._dialog.colorSelected.connect(self._color_chosen)
        self._dialog.show()

    def _color_chosen(self, color: QColor) -> None:
        if self._dialog is not None:
            self.recolored.emit(int(self._dialog.property("value")), color.name())

    def _edited(self, item: QTableWidgetItem) -> None:
        if item.column() == _NAME:
            self.renamed.emit(self._values[item.row()], item.text().strip())


def _swatch(color: str) -> QPixmap:
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor(color))
    return pixmap
