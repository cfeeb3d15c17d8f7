"""Log tab: what happened, with details on demand, to be copied."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QFontDatabase, QGuiApplication, QKeyEvent, QKeySequence, QTextOption
from qtpy.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QWidget,
)

from napari_ziggurat.gui.log.log import MOST, Entry, Log
from napari_ziggurat.gui.widgets import Note, column, note, row

__all__ = ["LogTab"]

_NOTHING = (
    "Nothing has happened yet. What is started, what it says and what goes wrong is listed here."
)
_LEAST = 90  # pixels of height for the details


class LogTab(QWidget):
    """The list, the details of one entry, and Copy.

    Parameters
    ----------
    log : Log
        What is shown, from now on.
    """

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log
        self.list = _Entries()
        self.list.setObjectName("log")
        self.list.setToolTip("What happened, the newest last. A click shows all of an entry.")
        self.details = _make_details()
        self.empty = note("log-empty")
        self.empty.setText(_NOTHING)
        self._make_buttons()
        self._lay_out()
        self._connect()
        for entry in log:
            self._add(entry)
        self._refresh()

    def listen(self, dock: QWidget) -> None:
        """Take down what goes wrong anywhere in a dock, as its notes say it."""
        for each in dock.findChildren(Note):
            each.failed.connect(self.log.fail)
            each.told.connect(self.log.say)

    def _make_buttons(self) -> None:
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the chosen entry with its details (Ctrl+C).")
        self.copy_all_button = QPushButton("Copy all")
        self.copy_all_button.setToolTip("Copy everything, with times and details, for a report.")
        self.clear_button = QPushButton("Clear")
        self.clear_button.setToolTip("Forget everything that is listed here.")

    def _lay_out(self) -> None:
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(self.list)
        parts.addWidget(self.details)
        parts.setStretchFactor(0, 1)
        parts.setChildrenCollapsible(False)
        buttons = row(self.copy_button, self.copy_all_button, self.clear_button)
        layout = column(buttons, self.empty, parts)
        layout.setStretch(2, 1)
        layout.setContentsMargins(6, 8, 6, 8)
        layout.setSpacing(8)
        self.setLayout(layout)

    def _connect(self) -> None:
        self.log.added.connect(self._add)
        self.log.replaced.connect(self._replace)
        self.log.cleared.connect(self._cleared)
        self.list.itemSelectionChanged.connect(self._refresh)
        self.copy_button.clicked.connect(self._copy)
        self.copy_all_button.clicked.connect(self._copy_all)
        self.clear_button.clicked.connect(self.log.clear)
        self.list.copy_wanted.connect(self._copy)

    @property
    def _chosen(self) -> Entry | None:
        items = self.list.selectedItems()
        entry: Entry | None = items[0].data(Qt.ItemDataRole.UserRole) if items else None
        return entry

    def _add(self, entry: Entry) -> None:
        bar = self.list.verticalScrollBar()
        follows = bar is None or bar.value() == bar.maximum()
        item = QListWidgetItem()
        _show(item, entry)
        self.list.addItem(item)
        while self.list.count() > MOST:
            self.list.takeItem(0)
        if follows:
            self.list.scrollToBottom()
        self._refresh()

    def _replace(self, entry: Entry) -> None:
        if (item := self.list.item(self.list.count() - 1)) is not None:
            _show(item, entry)
        self._refresh()

    def _cleared(self) -> None:
        self.list.clear()
        self._refresh()

    def _refresh(self) -> None:
        entry, some = self._chosen, self.list.count() > 0
        self.empty.setVisible(not some)
        text = "" if entry is None else f"{entry.text}\n\n{entry.details}".strip()
        if text != self.details.toPlainText():  # what is selected in it stays so
            self.details.setPlainText(text)
        self.details.setVisible(entry is not None)
        self.copy_button.setEnabled(entry is not None)
        self.copy_all_button.setEnabled(some)
        self.clear_button.setEnabled(some)

    def _copy(self) -> None:
        if (entry := self._chosen) is not None:
            _to_clipboard(entry.text if entry.kind == "command" else entry.whole)

    def _copy_all(self) -> None:
        _to_clipboard("\n".join(entry.whole for entry in self.log))


class _Entries(QListWidget):
    """The list; its own way to copy leaves the details out."""

    copy_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Ask for a copy of the chosen entry at Ctrl+C."""
        if event is not None and event.matches(QKeySequence.StandardKey.Copy):
            self.copy_wanted.emit()
        else:
            super().keyPressEvent(event)


def _make_details() -> QPlainTextEdit:
    details = QPlainTextEdit()
    details.setObjectName("log-details")
    details.setReadOnly(True)
    details.setTabChangesFocus(True)
    details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    details.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    details.setMinimumHeight(_LEAST)
    details.setToolTip("All of the chosen entry.")
    return details


def _show(item: QListWidgetItem, entry: Entry) -> None:
    item.setText(entry.line)
    item.setData(Qt.ItemDataRole.UserRole, entry)


def _to_clipboard(text: str) -> None:
    if clipboard := QGuiApplication.clipboard():
        clipboard.setText(text)
