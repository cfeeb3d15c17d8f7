"""Model chooser: which model segments, and what it knows of itself."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QComboBox, QFileDialog, QLineEdit, QPushButton, QWidget

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.gui.models.facts import describe
from napari_ziggurat.gui.models.known import recent_models, remember_model
from napari_ziggurat.gui.widgets import caption, column, note, row, shrinking_combo, typed_path

if TYPE_CHECKING:
    from napari_ziggurat.networks import ModelSpec

__all__ = ["ModelChooser"]

_NO_MODEL = (
    "Open, type or drop a model folder. <i>ziggurat demo</i> makes one in minutes, "
    "<i>ziggurat train</i> makes your own."
)


class ModelChooser(QWidget):
    """A line to type a folder in, a button to look for one, and what is in it."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.path: Path | None = None
        self.spec: ModelSpec | None = None
        self.line = self._make_line()
        self.open_button = QPushButton("Open…")
        self.open_button.setToolTip("Choose the folder of a model.")
        self.open_button.clicked.connect(self._browse)
        self._facts = note("model-facts")
        self._facts.setText(_NO_MODEL)
        top = row(self.line, self.open_button)
        top.setStretch(0, 1)
        self.setLayout(column(caption("Model"), top, self._facts))
        self.setAcceptDrops(True)

    def open(self, path: Path) -> None:
        """Open a model; what is wrong with it is said below the line."""
        self.line.setEditText(str(path))
        try:
            self._take(path)
        except (ZigguratError, OSError) as error:
            self._refuse(error)
        else:
            remember_model(path)
            self._list_recent()
        self.changed.emit()

    def look_again(self) -> tuple[Path, "ModelSpec"]:
        """Read the chosen model once more: it may have been trained anew in the meantime.

        Raises
        ------
        ZigguratError
            No model is chosen, or it cannot be read any more.
        """
        if self.path is None:
            raise InputError("Choose a model first.")
        return self.path, self._take(self.path)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take a folder that is dragged here; napari would open it as an image."""
        if event is not None and _dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open the folder that was dropped."""
        if event is not None and (path := _dropped(event)) is not None:
            self.open(path)

    def _make_line(self) -> QComboBox:
        line = shrinking_combo("model", "The folder of a model; the list holds the last ones.")
        line.setEditable(True)
        line.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        for path in recent_models():
            line.addItem(str(path))
        line.setCurrentIndex(-1)
        edit = QLineEdit()
        line.setLineEdit(edit)
        edit.setPlaceholderText("model folder")
        edit.setAcceptDrops(False)  # it would take the text of a dropped address
        edit.editingFinished.connect(self._typed)
        line.activated.connect(self._typed)
        return line

    def _list_recent(self) -> None:
        text = self.line.currentText()
        self.line.clear()
        for path in recent_models():
            self.line.addItem(str(path))
        self.line.setEditText(text)

    def _typed(self, index: int = 0) -> None:
        """Open what stands in the line, also where it did before: the model may be a new one."""
        if not (text := self.line.currentText().strip()):
            return
        try:
            self.open(typed_path(text))
        except InputError as error:
            self._refuse(error)
            self.changed.emit()

    def _take(self, path: Path) -> "ModelSpec":
        from napari_ziggurat.networks.checkpoint import read_spec

        spec = read_spec(path)
        (self.path, self.spec) = (path, spec)
        self._facts.setText(describe(spec))
        return spec

    def _refuse(self, error: Exception) -> None:
        (self.path, self.spec) = (None, None)
        self._facts.setText(f"⚠ {escape(str(error))}")

    def _browse(self) -> None:
        start = str(self.path.parent if self.path else Path.home())
        if folder := QFileDialog.getExistingDirectory(self, "Open a model folder", start):
            self.open(Path(folder))


def _dropped(event: QDropEvent) -> Path | None:
    data = event.mimeData()
    urls = data.urls() if data is not None else []
    return Path(urls[0].toLocalFile()) if urls and urls[0].isLocalFile() else None
