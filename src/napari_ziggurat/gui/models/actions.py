"""Actions: what can be done with the chosen model."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.gui.command import export_words, understand
from napari_ziggurat.gui.job import Failure, Job, ProcessJob, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.models.ask_line import AskLine
from napari_ziggurat.gui.models.copying import copy_model
from napari_ziggurat.gui.models.entry import Entry
from napari_ziggurat.gui.models.known import forget_model, name_model, remember_model
from napari_ziggurat.gui.widgets import column, note, typed_path

__all__ = ["ActionBox"]

# Name of a button, and its tooltip; three in a row.
_BUTTONS = {
    "Load": "Choose this model at the top of the dock (Return, or a double click in the list).",
    "Save as…": "Copy the folder of this model to another place.",
    "Export…": "Write this model as an ONNX file, which programs without Python run.",
    "Rename…": "Call this model something else in this list; its folder keeps its name.",
    "Forget": "Take this model from this list; its files stay where they are.",
    "Show in folder": "Open the folder of this model in the file manager.",
}
_READABLE = ("Load", "Save as…", "Export…")
_ACROSS = 3


class ActionBox(QWidget):
    """Buttons, a line for what they ask, and what came of it.

    Parameters
    ----------
    jobs : Jobs
        Owns the thread that copies and the process that exports.
    """

    wanted = Signal(object)  # Path of a model to be loaded
    changed = Signal()  # the list of models

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self._entry: Entry | None = None
        self._job: Job | None = None
        self.buttons = {name: QPushButton(name) for name in _BUTTONS}
        self.ask = AskLine()
        self.state = note("models-state")
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for number, (name, button) in enumerate(self.buttons.items()):
            button.setToolTip(_BUTTONS[name])
            grid.addWidget(button, *divmod(number, _ACROSS))
        self.setLayout(column(grid, self.ask, self.state))
        self._connect()
        self.show_entry(None)

    def show_entry(self, entry: Entry | None) -> None:
        """Act on another model; what was asked of the one before is not asked any more."""
        if (entry and entry.path) != (self._entry and self._entry.path):
            self.ask.end()
        self._entry = entry
        self._refresh()

    def load(self) -> None:
        """Choose the model at the top of the dock."""
        if self._entry is not None and self._entry.spec is not None:
            self.wanted.emit(self._entry.path)

    def _connect(self) -> None:
        slots = (self.load, self._save_as, self._export, self._rename, self._forget, self._show)
        for button, slot in zip(self.buttons.values(), slots, strict=True):
            button.clicked.connect(slot)

    def _refresh(self) -> None:
        entry = self._entry
        for name, button in self.buttons.items():
            usable = entry is not None and (entry.spec is not None or name not in _READABLE)
            button.setEnabled(usable)
        if self._job is not None:
            for name in ("Save as…", "Export…"):
                self.buttons[name].setEnabled(False)
        if entry is not None and entry.gone:
            self.buttons["Show in folder"].setEnabled(False)

    def _save_as(self) -> None:
        if (entry := self._entry) is not None:
            copy = str(entry.path.with_name(f"{entry.path.name}_copy"))
            self.ask.ask("Copy this model to:", copy, "Copy", partial(self._copy_to, entry.path))

    def _copy_to(self, model: Path, text: str) -> None:
        if (out := self._typed(text)) is not None:
            self._start(ThreadJob(partial(copy_model, model, out)), self._copied, "Copying…")

    def _copied(self, out: Path) -> None:
        remember_model(out)
        self.state.tell(f"Copied to {out}")
        self.changed.emit()

    def _export(self) -> None:
        if (entry := self._entry) is not None:
            out = str(entry.path.with_name(f"{entry.path.name}.onnx"))
            self.ask.ask("Write ONNX to:", out, "Export", partial(self._export_to, entry.path))

    def _export_to(self, model: Path, text: str) -> None:
        from napari_ziggurat.runs.config import ExportConfig

        try:
            config = ExportConfig.create({"model": model, "out": typed_path(text)})
        except ZigguratError as error:
            self.state.setText(f"⚠ {error}")
            return
        job = ProcessJob(export_words(config), understand)
        self._start(job, self._exported, "Exporting, and comparing with torch…")

    def _exported(self, said: str) -> None:
        self.state.tell(said.strip() or "Exported.")

    def _rename(self) -> None:
        if (entry := self._entry) is not None:
            then = partial(self._rename_to, entry.path)
            self.ask.ask("Call this model:", entry.name, "Rename", then, place=False)

    def _rename_to(self, model: Path, name: str) -> None:
        name_model(model, "" if name == model.name else name)
        self.changed.emit()

    def _forget(self) -> None:
        if (entry := self._entry) is not None:
            forget_model(entry.path)
            there = f"; its files stay in {entry.path}" if not entry.gone else ""
            self.state.tell(f"'{entry.name}' is not listed any more{there}.")
            self.changed.emit()

    def _show(self) -> None:
        if (entry := self._entry) is not None:
            url = QUrl.fromLocalFile(str(entry.path))
            if not QDesktopServices.openUrl(url):
                self.state.setText(f"⚠ No file manager answers. The folder is {entry.path}")

    def _typed(self, text: str) -> Path | None:
        try:
            return typed_path(text)
        except InputError as error:
            self.state.setText(f"⚠ {error}")
            return None

    def _start(self, job: Job, done: Callable[[Any], None], what: str) -> None:
        self._job = job
        self.state.setText(what)
        self._jobs.start(job, Handlers(done, self._failed, ended=self._ended))
        self._refresh()

    def _failed(self, failure: Failure) -> None:
        self.state.setText(f"⚠ {failure.sentence}")

    def _ended(self) -> None:
        self._job = None
        self._refresh()
