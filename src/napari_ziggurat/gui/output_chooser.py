"""Output chooser: where the segmentation of a whole image goes, and the command that makes it."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QFontDatabase, QGuiApplication, QTextOption
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QWidget,
)

from napari_ziggurat.gui.command import as_typed
from napari_ziggurat.gui.widgets import caption, column, row, typed_path

__all__ = ["OutputChooser"]

_LINES = 5


class OutputChooser(QWidget):
    """A line with the output, whether to replace it, and the command line with a Copy button."""

    changed = Signal()

    def __init__(self, title: str = "Output of the whole image", name: str = "output") -> None:
        super().__init__()
        self._words: list[str] = []
        self._proposed = ""
        self.line = QLineEdit()
        self.line.setObjectName(name)
        self.line.setToolTip("The OME-Zarr to write (.ome.zarr), or IMAGE.zarr/labels/NAME.")
        self.line.textChanged.connect(self._edited)
        self.browse_button = QToolButton()
        self.browse_button.setText("…")
        self.browse_button.setToolTip("Choose where the output goes.")
        self.browse_button.clicked.connect(self._browse)
        self.replace = QCheckBox("Replace what is there")
        self.replace.setToolTip(
            "Off: an output of the same run goes on, another one is refused. Holds for one run "
            "(--overwrite)."
        )
        self.replace.toggled.connect(self._edited)
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the command line; it does the same without a window.")
        self.copy_button.clicked.connect(self._copy)
        self.text = self._make_text()
        under = row(self.replace, self.copy_button)
        under.setStretch(0, 1)
        where = row(self.line, self.browse_button)
        self.setLayout(column(caption(title), where, self.text, under))

    @property
    def path(self) -> Path | None:
        """The output; None while the line is empty."""
        text = self.line.text().strip()
        return typed_path(text) if text else None

    @property
    def command(self) -> str:
        """The command line as a person types it."""
        return as_typed(self._words)

    def propose(self, path: Path | None) -> None:
        """Fill in a path, unless a person has chosen one."""
        if self.line.text() == self._proposed:
            self._proposed = str(path or "")
            self.line.setText(self._proposed)

    def show_words(self, words: Sequence[str], why_none: str = "") -> None:
        """Show a command line, or why there is none."""
        self._words = list(words)
        self.copy_button.setEnabled(bool(words))
        self.text.setPlainText(self.command or why_none)

    def _make_text(self) -> QPlainTextEdit:
        text = QPlainTextEdit()
        text.setReadOnly(True)
        text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        text.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        text.setFixedHeight(_LINES * text.fontMetrics().lineSpacing() + 12)
        return text

    def _edited(self) -> None:
        self.changed.emit()

    def _copy(self) -> None:
        if clipboard := QGuiApplication.clipboard():
            clipboard.setText(self.command)

    def _browse(self) -> None:
        (path, _) = QFileDialog.getSaveFileName(self, "Output", self.line.text())
        if path:
            self.line.setText(path)
