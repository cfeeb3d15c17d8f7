"""Activity: what is being done, how long it takes, how to stop it, and what went wrong."""

import time

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QPlainTextEdit, QProgressBar, QPushButton, QWidget

from napari_ziggurat.gui.job import Failure
from napari_ziggurat.gui.widgets import column, note, row
from napari_ziggurat.progress import Clock, Progress, duration

__all__ = ["Activity"]

_FINE = 1000  # steps of the bar


class Activity(QWidget):
    """A bar, the time left, Cancel, and one sentence with the details behind it."""

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._clock = Clock()
        self._told: list[str] = []
        self._stage = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop; what has been written is kept.")
        self.cancel_button.clicked.connect(self._cancel)
        self._running = QWidget()
        bar = row(self.bar, self.cancel_button)
        bar.setStretch(0, 1)
        self.hint = note("hint")
        self._running.setLayout(column(self._stage, bar, self.hint))
        self.sentence = note("sentence")
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)  # a message may hold < and >
        self.details_button = QPushButton("Details")
        self.details_button.setCheckable(True)
        self.details_button.toggled.connect(self._show_details)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setMinimumHeight(140)
        details = row(self.details_button)
        details.addStretch()
        self.setLayout(column(self._running, self.sentence, details, self.details))
        self.say("")

    def begin(self, what: str) -> None:
        """Show that something begins."""
        self.say("")
        (self._clock, self._told) = (Clock(), [])
        self._stage.setText(what)
        self.show_hint("")
        self.bar.setRange(0, 0)
        self.cancel_button.setEnabled(True)
        self._running.show()

    def show_step(self, step: Progress) -> None:
        """Show how far it is."""
        left = self._clock.left(step, time.monotonic())
        stage = step.stage.capitalize()
        self._stage.setText(stage if left is None else f"{stage}: {duration(left)} left")
        if step.total:
            self.bar.setRange(0, _FINE)
            self.bar.setValue(_FINE * step.done // step.total)

    def tell(self, message: str) -> None:
        """Keep what a run says, such as the level it chose, among the details."""
        self._told.append(message)
        self._offer_details("\n".join(self._told))

    def show_hint(self, hint: str) -> None:
        """Say below the bar how to see more of what is being done."""
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))

    def say(self, sentence: str, details: str = "") -> None:
        """Show that nothing is going on, and a sentence."""
        self._running.hide()
        self.sentence.tell(sentence)
        self.sentence.setVisible(bool(sentence))
        self.details_button.setChecked(False)
        self.details.hide()
        self._offer_details(details)

    def finish(self, sentence: str) -> None:
        """Show how it ended; what was told on the way stays among the details."""
        self.say(sentence, "\n".join(self._told))

    def fail(self, failure: Failure) -> None:
        """Show what went wrong."""
        self.say(f"⚠ {failure.sentence}", failure.details)

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self._stage.setText("Stopping…")
        self.cancelled.emit()

    def _show_details(self, shown: bool) -> None:
        self.details.setVisible(shown)

    def _offer_details(self, details: str) -> None:
        self.details.setPlainText(details)
        self.details_button.setVisible(bool(details))
