"""Round table: Dice of each class before and after a round, with the difference."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

if TYPE_CHECKING:
    from napari_ziggurat.networks import Score
    from napari_ziggurat.runs.retrain.table import Comparison

__all__ = ["RoundTable"]

_HEADINGS = ("Class", "Before", "After", "Difference")
_NONE = "-"
_MOST_ROWS = 8  # that are shown without scrolling
_WHY_NONE = "Fewer than 50 of its voxels are held out, or the class was not there before."


class RoundTable(QTableWidget):
    """One row for each class, and one for the mean of those that have both numbers."""

    def __init__(self) -> None:
        super().__init__(0, len(_HEADINGS))
        self.setObjectName("round-table")
        self.setToolTip("Dice on strokes that were kept out of training, 0 to 1.")
        self.setHorizontalHeaderLabels(_HEADINGS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # nothing to be done here with the keyboard
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        if (rows := self.verticalHeader()) is not None:
            rows.hide()
        if (header := self.horizontalHeader()) is not None:
            header.setHighlightSections(False)
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def show_comparison(self, comparison: "Comparison") -> None:
        """Show numbers; where one is missing there is a dash."""
        rows = [(each.name, *_numbers(each), _behind(each)) for each in comparison.classes]
        if comparison.means is not None and len(rows) > 1:
            (before, after) = comparison.means
            numbers = (f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}")
            rows.append(("mean", *numbers, "Of the classes that have both numbers."))
        self.setRowCount(len(rows))
        for row, (*texts, tooltip) in enumerate(rows):
            for at, text in enumerate(texts):
                self.setItem(row, at, _item(text, tooltip, number=at > 0))
        self._fit(len(rows))

    def _fit(self, rows: int) -> None:
        """Take the height of the rows."""
        self.resizeRowsToContents()
        heights = sum(self.rowHeight(row) for row in range(min(rows, _MOST_ROWS)))
        header = self.horizontalHeader()
        above = header.sizeHint().height() if header is not None else 0
        self.setFixedHeight(above + heights + 2 * self.frameWidth())


def _item(text: str, tooltip: str, *, number: bool) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setToolTip(tooltip)
    side = Qt.AlignmentFlag.AlignRight if number else Qt.AlignmentFlag.AlignLeft
    item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
    return item


def _numbers(score: "Score") -> tuple[str, str, str]:
    (before, after) = (_NONE if v is None else f"{v:.3f}" for v in (score.before, score.after))
    return before, after, _NONE if score.difference is None else f"{score.difference:+.3f}"


def _behind(score: "Score") -> str:
    behind = f"{score.voxels:,} held-out voxels in {score.blocks} place(s)."
    return behind if score.difference is not None else f"{behind} {_WHY_NONE}"
