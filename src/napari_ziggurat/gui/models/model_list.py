"""Model list: the known models with their pictures, one of them chosen."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_ziggurat.gui.models.entry import Entry
from napari_ziggurat.gui.models.facts import lineage_of, score_of

__all__ = ["ModelList"]

_SIDE = 44  # pixels of a picture
_HEIGHT = 142  # three rows
_NO_COLOUR = "#808080"
_STRIPES = 4


class ModelList(QListWidget):
    """A row for each model: picture, name, and what is worth knowing at a glance."""

    chosen = Signal()
    wanted = Signal()  # Return or a double click

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("models")
        self.setIconSize(QSize(_SIDE, _SIDE))
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(_HEIGHT)
        self.setToolTip("Models that were opened or made here, and those of the folder of models.")
        self.itemSelectionChanged.connect(self.chosen)
        self.itemActivated.connect(self.wanted)

    def sizeHint(self) -> QSize:
        """Ask for little height; the tab gives it what is left."""
        return QSize(super().sizeHint().width(), _HEIGHT)

    @property
    def entry(self) -> Entry | None:
        """The chosen one."""
        items = self.selectedItems()
        entry: Entry | None = items[0].data(Qt.ItemDataRole.UserRole) if items else None
        return entry

    @property
    def entries(self) -> list[Entry]:
        """All of them, in order."""
        found = (self.item(row) for row in range(self.count()))
        return [item.data(Qt.ItemDataRole.UserRole) for item in found if item is not None]

    def show_entries(self, entries: Sequence[Entry], in_use: Path | None) -> None:
        """List models; the choice stays, or is the one that is in use."""
        chosen = in_use if self.entry is None else self.entry.path
        self.blockSignals(True)
        self.clear()
        for entry in entries:
            item = _item(entry, in_use=entry.path == in_use)
            self.addItem(item)
            if entry.path == chosen:
                self.setCurrentItem(item)
        self.blockSignals(False)
        self.chosen.emit()


def _item(entry: Entry, *, in_use: bool) -> QListWidgetItem:
    item = QListWidgetItem(_icon(entry), f"{entry.name}\n{_glance(entry)}")
    item.setData(Qt.ItemDataRole.UserRole, entry)
    item.setToolTip("\n".join(filter(None, [str(entry.path), entry.why])))
    font = item.font()
    font.setBold(in_use)
    item.setFont(font)
    return item


def _glance(entry: Entry) -> str:
    if entry.spec is None:
        return "⚠ the folder is gone" if entry.gone else "⚠ it cannot be read"
    facts = [f"{entry.spec.dims}D", lineage_of(entry.spec), score_of(entry.spec)]
    return " · ".join(filter(None, facts))


def _icon(entry: Entry) -> QIcon:
    """Give the picture; without one, the colours of the classes."""
    if entry.picture is not None and not (picture := QPixmap(str(entry.picture))).isNull():
        return QIcon(picture)
    classes = () if entry.spec is None else entry.spec.classes
    colours = [c.color for c in classes if c.value][:_STRIPES] or [_NO_COLOUR]
    pixmap = QPixmap(_SIDE, _SIDE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    (width, high) = (_SIDE // len(colours), _SIDE // 3 if entry.spec is None else _SIDE)
    for number, colour in enumerate(colours):
        painter.fillRect(number * width, (_SIDE - high) // 2, width, high, QColor(colour))
    painter.end()
    return QIcon(pixmap)
