"""Activity: what is being done, how long it takes, how to stop it, and what went wrong."""

import time

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QPlainTextEdit, QProgressBar, QPushButton, QWidget

from napari_ziggurat.gui.job import Failure
from napari_ziggurat.gui.widgets import column, note, row
from napari_ziggurat.progress import Progress

__all__ = ["Activity", "Clock", "duration"]

_FINE = 1000  # steps of the bar
_EARLY = 2.0  # seconds after which the rest of the time can be told


class Clock:
    """Tells how long a stage still takes, from what is done and since when."""

    def __init__(self) -> None:
        self._stage = ""
        self._first = 0
        self._began = 0.0

    def left(self, step: Progress, now: float) -> float | None:
        """Seconds until the stage is done; None where that is not known yet."""
        if step.stage != self._stage:
            (self._stage, self._first, self._began) = (step.stage, step.done, now)
        (elapsed, gained) = (now - self._began, step.done - self._first)
        if step.total is None or step.done >= step.total or gained <= 0 or elapsed < _EARLY:
            return None
        return elapsed * (step.total - step.done) / gained


class Activity(QWidget):
    """A bar, the time left, Cancel, and one sentence with the details behind it."""

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._clock = Clock()
        self._stage = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop; what has been written is kept.")
        self.cancel_button.clicked.connect(self._cancel)
        self._running = QWidget()
        bar = row(self.bar, self.cancel_button)
        bar.setStretch(0, 1)
        self._running.setLayout(column(self._stage, bar))
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
        self._clock = Clock()
        self._stage.setText(what)
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

    def say(self, sentence: str) -> None:
        """Show that nothing is going on, and a sentence."""
        self._running.hide()
        self.sentence.setText(sentence)
        self.sentence.setVisible(bool(sentence))
        self.details_button.hide()
        self.details_button.setChecked(False)
        self.details.hide()

    def fail(self, failure: Failure) -> None:
        """Show what went wrong."""
        self.say(f"⚠ {failure.sentence}")
        self.details.setPlainText(failure.details)
        self.details_button.setVisible(bool(failure.details))

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self._stage.setText("Stopping…")
        self.cancelled.emit()

    def _show_details(self, shown: bool) -> None:
        self.details.setVisible(shown)


def duration(seconds: float) -> str:
    """Write a time as people say it: ``"40 s"``, ``"3 min"``, ``"1 h 05 min"``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    (hours, minutes) = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
