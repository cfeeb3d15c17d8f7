"""Store box: which annotation is opened, on which level, and what became of the last stroke."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QPushButton, QToolButton, QWidget

from napari_ziggurat.gui.annotate.opening import WIDE, annotated, likely_level, place_for
from napari_ziggurat.gui.layers import spacing_text
from napari_ziggurat.gui.widgets import caption, column, note, row, shrinking_combo, typed_path

if TYPE_CHECKING:
    from napari_ziggurat.gui.annotate.session import Session
    from napari_ziggurat.gui.source import Reading
    from napari_ziggurat.images.annotation_store import Record

__all__ = ["StoreBox"]

_FIRST = "Choose an image above; its annotation is a folder beside it."
_NEW = "Strokes go into a new folder; each is on the disk when you release the mouse."
_THERE = "There is an annotation of this image; Annotate goes on with it."


class StoreBox(QWidget):
    """The level, the folder, Annotate, and the line that says what is saved."""

    wanted = Signal()  # Annotate was clicked
    here_wanted = Signal()  # the part around what is shown, at full resolution

    def __init__(self) -> None:
        super().__init__()
        self._reading: Reading | None = None
        self._proposed = ""
        self.levels = shrinking_combo(
            "annotation-level", "The level of the image that is drawn on; 0 is the finest."
        )
        self.button = QPushButton("Annotate")
        self.button.setToolTip("Make or open the annotation of this image, and paint on it.")
        self.here_button = QPushButton("Annotate here at full resolution")
        self.here_button.setToolTip(
            "Planes of level 0 are too large to be painted on whole: takes the part around what "
            "is shown. Click again to move it."
        )
        self.line = QLineEdit()
        self.line.setObjectName("annotation")
        self.line.setToolTip("The folder of the annotation (.ome.zarr).")
        self.browse_button = QToolButton()
        self.browse_button.setText("…")
        self.browse_button.setToolTip("Choose where the annotation lies.")
        self.state = note("annotation-state")
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        top = row(self.levels, self.button)
        top.setStretch(0, 1)
        where = row(self.line, self.browse_button)
        self.setLayout(column(caption("Annotation"), top, self.here_button, where, self.state))
        self.levels.currentIndexChanged.connect(self._propose)
        self.line.textChanged.connect(self._look)
        self.button.clicked.connect(self._clicked)
        self.here_button.clicked.connect(self._here_clicked)
        self.browse_button.clicked.connect(self._browse)
        self.show_reading(None)

    @property
    def level(self) -> int:
        """The level that is chosen."""
        return max(0, self.levels.currentIndex())

    @property
    def path(self) -> Path | None:
        """The folder; None while the line is empty."""
        text = self.line.text().strip()
        return typed_path(text) if text else None

    def show_reading(self, reading: "Reading | None") -> None:
        """Show the levels of another image and where its annotation lies, or none."""
        self._reading = reading
        self.levels.blockSignals(True)
        self.levels.clear()
        wide = False
        if reading is not None:
            of = annotated(reading)
            for index, level in enumerate(of.image.levels):
                self.levels.addItem(f"Level {index}: {spacing_text(level.spacing)}")
                shape = " × ".join(map(str, level.shape))
                self.levels.setItemData(index, shape, Qt.ItemDataRole.ToolTipRole)
            self.levels.setCurrentIndex(likely_level(of.image, of.base))
            wide = max(of.image.levels[0].shape[-2:]) > WIDE
        self.levels.blockSignals(False)
        for part in (self.button, self.here_button, self.line, self.browse_button):
            part.setEnabled(reading is not None)
        self.levels.setEnabled(self.levels.count() > 1)
        self.here_button.setVisible(wide)
        self._proposed = ""
        self._propose()

    def show_session(self, session: "Session | None") -> None:
        """Show that an annotation is open, or what the button will do."""
        if session is None:
            self._look()
            return
        level = session.store.drawn_on.level
        if level < self.levels.count():
            self.levels.blockSignals(True)
            self.levels.setCurrentIndex(level)
            self.levels.blockSignals(False)
        self._proposed = str(session.store.path)
        self.line.setText(self._proposed)
        self.say(f"Open, {session.census.labelled:,} voxels are labelled.")

    def say(self, sentence: str) -> None:
        """Show a sentence below the line."""
        self.state.setText(sentence)

    def show_saved(self, record: "Record") -> None:
        """Say that a stroke is on the disk."""
        time = datetime.fromisoformat(record.when).astimezone()
        what = "box complete, " if record.kind == "complete" else ""
        self.say(f"Saved {time:%H:%M}, {what}{record.changed:,} voxels")

    def _propose(self, index: int = 0) -> None:
        """Fill in the folder of the level, unless a person has typed one."""
        if self._proposed and self.line.text() != self._proposed:
            return
        reading = self._reading
        place = "" if reading is None else str(place_for(annotated(reading).base, self.level))
        self._proposed = place
        self.line.setText(place)
        self._look()

    def _look(self, text: str = "") -> None:
        """Say what the button will do."""
        from napari_ziggurat.images.marks import is_annotation

        try:
            place = self.path
            there = place is not None and is_annotation(place)
        except (OSError, ValueError) as error:  # nobody's home, no rights
            self.say(f"⚠ {error}")
            return
        self.say(_FIRST if self._reading is None else _THERE if there else _NEW)

    def _clicked(self) -> None:
        self.wanted.emit()

    def _here_clicked(self) -> None:
        self.levels.setCurrentIndex(0)
        self.here_wanted.emit()

    def _browse(self) -> None:
        (path, _) = QFileDialog.getSaveFileName(self, "Annotation", self.line.text())
        if path:
            self.line.setText(path)
