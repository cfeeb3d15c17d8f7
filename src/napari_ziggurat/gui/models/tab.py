"""Models tab: the models that are known, and what can be done with one."""

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFileDialog, QPushButton, QSizePolicy, QWidget

from napari_ziggurat.gui.job import Failure, Job, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.models.actions import ActionBox
from napari_ziggurat.gui.models.entry import Entry, list_entries
from napari_ziggurat.gui.models.facts import describe
from napari_ziggurat.gui.models.known import read_shelf, remember_model, set_folder
from napari_ziggurat.gui.models.lineage_box import LineageBox
from napari_ziggurat.gui.models.model_list import ModelList
from napari_ziggurat.gui.widgets import caption, column, note, row

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ModelsTab"]

_NONE = (
    "No models are known yet: save one while you train, add one, or choose a folder that holds "
    "models."
)


class ModelsTab(QWidget):
    """The list, what the chosen one is, and what can be done with it.

    Parameters
    ----------
    jobs : Jobs
        Owns the threads.
    """

    wanted = Signal(object)  # Path of a model to be loaded

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self._job: Job | None = None
        self._in_use: Path | None = None
        self.list = ModelList()
        self.facts = note("known-model-facts")
        self.lineage = LineageBox(jobs)
        self.action_box = ActionBox(jobs)
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._show_chosen()

    def show_in_use(self, path: Path | None) -> None:
        """Mark the model that is chosen at the top of the dock."""
        self._in_use = None if path is None else path.absolute()
        self.refresh()

    def refresh(self) -> None:
        """Look at all models again, in a thread."""
        if self._job is not None:
            self._job.cancel()
        self._job = ThreadJob(list_entries)
        self._jobs.start(self._job, Handlers(self._found, self._failed))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look again whenever the tab is opened: models come and go."""
        super().showEvent(event)
        self.refresh()

    def _make_buttons(self) -> None:
        self.add_button = QPushButton("Add…")
        self.add_button.setToolTip("Add the folder of a model to this list.")
        self.folder_button = QPushButton("Folder…")
        self.folder_button.setToolTip("Choose a folder; all models in it are listed.")

    def _lay_out(self) -> None:
        title = caption("Known models")
        top = row(title, self.add_button, self.folder_button)
        top.setStretch(0, 1)
        below = (self.facts, self.lineage, self.action_box)
        layout = column(top, self.list, *below)
        layout.setContentsMargins(6, 8, 6, 8)
        layout.setSpacing(8)
        layout.setStretch(1, 1)
        for part in below:
            part.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.setLayout(layout)

    def _connect(self) -> None:
        self.list.chosen.connect(self._show_chosen)
        self.list.wanted.connect(self.action_box.load)
        self.action_box.wanted.connect(self.wanted)
        self.action_box.changed.connect(self.refresh)
        self.add_button.clicked.connect(self._add)
        self.folder_button.clicked.connect(self._choose_folder)

    def _found(self, entries: "Sequence[Entry]") -> None:
        self._job = None
        self.list.show_entries(entries, self._in_use)
        self._show_chosen()

    def _failed(self, failure: Failure) -> None:
        self.facts.setText(f"⚠ {failure.sentence}")

    def _show_chosen(self) -> None:
        entry = self.list.entry
        self.facts.setText(self._facts_of(entry))
        self.lineage.show_entry(entry)
        self.action_box.show_entry(entry)

    def _facts_of(self, entry: Entry | None) -> str:
        if entry is None:
            return "" if self.list.count() else _NONE
        return entry.why if entry.spec is None else describe(entry.spec)

    def _add(self) -> None:
        start = str(Path.home() if self._in_use is None else self._in_use.parent)
        if folder := QFileDialog.getExistingDirectory(self, "Add the folder of a model", start):
            remember_model(Path(folder))
            self.refresh()

    def _choose_folder(self) -> None:
        start = read_shelf().folder or str(Path.home())
        if folder := QFileDialog.getExistingDirectory(self, "Choose a folder of models", start):
            set_folder(Path(folder))
            self.refresh()
