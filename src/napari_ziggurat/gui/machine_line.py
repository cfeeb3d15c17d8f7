"""Machine line: where networks run here, and why not on a GPU."""

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QToolButton, QWidget

from napari_ziggurat.gui.job import Failure
from napari_ziggurat.gui.widgets import column, note, row

if TYPE_CHECKING:
    from napari_ziggurat.runs.doctor import Report

__all__ = ["MachineLine"]

_GB = 1e9


class MachineLine(QWidget):
    """One line; a button tells the reason."""

    def __init__(self) -> None:
        super().__init__()
        self.line = note("machine")
        self.line.setText("Looking for devices…")
        self.why_button = QToolButton()
        self.why_button.setText("Why?")
        self.why_button.setToolTip("Why not on a GPU, and how to change that.")
        self.why_button.setCheckable(True)
        self.why_button.hide()
        self.reason = note("machine-reason")
        self.reason.hide()
        self.why_button.toggled.connect(self.reason.setVisible)
        top = row(self.line, self.why_button)
        top.setStretch(0, 1)
        self.setLayout(column(top, self.reason))

    def show_report(self, report: "Report") -> None:
        """Show what was found."""
        self.reason.setText(report.gpu_advice)
        if report.gpus:
            gpu = report.gpus[0]
            memory = f", {gpu.memory / _GB:.0f} GB" if gpu.memory else ""
            self.line.setText(escape(f"Runs on {gpu.name}: {gpu.description}{memory}"))
        else:
            self.line.setText(f"Runs on the CPU, {report.cores} cores; no GPU.")
            self.why_button.show()

    def fail(self, failure: Failure) -> None:
        """Show why nothing could be found out."""
        self.line.setText(f"⚠ {escape(failure.sentence)}")
