"""Round box: what a round of training changed, class by class, with Keep and Go back."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_ziggurat.gui.job import Failure, Job, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.train.round_table import RoundTable
from napari_ziggurat.gui.widgets import caption, column, note, row

if TYPE_CHECKING:
    from napari_ziggurat.gui.train.live import Live, RoundResult

__all__ = ["RoundBox"]

_NOT_ENOUGH = (
    "Not enough held-out strokes, so there is no number to compare. Paint more strokes of each "
    "class, away from each other, then train anew: a fifth of them is kept aside."
)
_HIGH = (
    "The model that it went on from may have learned from these strokes: then 'before' is on the "
    "high side."
)


class RoundBox(QWidget):
    """Shown after Stop, until something is chosen or the training goes on, which keeps the round.

    Parameters
    ----------
    jobs : Jobs
        Owns the thread that compares.
    """

    kept = Signal()
    went_back = Signal(int)  # steps that are left

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self._live: Live | None = None
        self._job: Job | None = None
        self.table = RoundTable()
        self.text = note("round")
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.keep_button = QPushButton("Keep")
        self.keep_button.setToolTip(
            "Save the model as it is now to the folder below, and choose it at the top of the dock."
        )
        self.back_button = QPushButton("Go back")
        self.back_button.setToolTip(
            "Take the steps of this round back; training goes on from where it was before. "
            "Strokes stay."
        )
        buttons = row(self.keep_button, self.back_button)
        self.setLayout(column(caption("This round"), self.table, self.text, buttons))
        self.keep_button.clicked.connect(self.kept)
        self.back_button.clicked.connect(self._go_back)
        self.hide()

    def compare(self, live: "Live") -> None:
        """Compare what a round began with and what it made."""
        self._live = live
        self.table.hide()
        self.text.setText("Comparing on held-out strokes…")
        self._start(ThreadJob(live.compare), Handlers(self._compared, self._failed))
        self.show()

    def end(self) -> None:
        """Offer nothing any more."""
        if self._job is not None:
            self._job.cancel()
        (self._job, self._live) = (None, None)
        self.hide()

    def keep(self) -> None:
        """Give up the way back."""
        if self._live is not None:
            self._live.keep()
        self.end()

    def _compared(self, result: "RoundResult") -> None:
        if result.comparison is None:
            self.text.setText(_NOT_ENOUGH)
            return
        self.table.show_comparison(result.comparison)
        self.table.show()
        self.text.setText(_HIGH if result.parent_may_know else "")
        self.text.setVisible(result.parent_may_know)

    def _go_back(self) -> None:
        if self._live is not None:
            self._start(ThreadJob(self._live.go_back), Handlers(self._back, self._failed))

    def _back(self, steps: int) -> None:
        self.end()
        self.went_back.emit(steps)

    def _failed(self, failure: Failure) -> None:
        self.text.setText(f"⚠ {failure.sentence}")
        self.text.show()

    def _start(self, job: Job, handlers: Handlers) -> None:
        if self._job is not None:
            self._job.cancel()
        self._job = job
        self.text.show()
        self._jobs.start(job, handlers)
