"""Lineage box: the rounds that led to the chosen model, when somebody asks."""

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtGui import QFontDatabase, QTextOption
from qtpy.QtWidgets import QPlainTextEdit, QToolButton, QWidget

from napari_ziggurat.gui.job import Failure, Job, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.models.entry import Entry, tell_lineage
from napari_ziggurat.gui.widgets import column

__all__ = ["LineageBox"]

_LINES = 9


class LineageBox(QWidget):
    """A button with a text behind it; ancestors are looked for in a thread.

    Parameters
    ----------
    jobs : Jobs
    """

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self._entry: Entry | None = None
        self._job: Job | None = None
        self.button = QToolButton()
        self.button.setText("Lineage")
        self.button.setToolTip("Which trainings led to this model, on what, and what each changed.")
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setCheckable(True)
        self.button.toggled.connect(self._show)
        self.text = QPlainTextEdit()
        self.text.setObjectName("lineage")
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.text.setFixedHeight(_LINES * self.text.fontMetrics().lineSpacing() + 12)
        self.setLayout(column(self.button, self.text))
        self._show(False)

    def show_entry(self, entry: Entry | None) -> None:
        """Tell the lineage of another model."""
        self._entry = entry
        self.setVisible(entry is not None and entry.spec is not None)
        self._show(self.button.isChecked())

    def _show(self, shown: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)
        self.text.setVisible(shown)
        if self._job is not None:
            self._job.cancel()
            self._job = None
        if shown and self._entry is not None and self._entry.spec is not None:
            self.text.setPlainText("Looking for ancestors…")
            self._job = ThreadJob(partial(tell_lineage, self._entry.path))
            self._jobs.start(self._job, Handlers(self.text.setPlainText, self._failed))

    def _failed(self, failure: Failure) -> None:
        self.text.setPlainText(f"⚠ {failure.sentence}")
