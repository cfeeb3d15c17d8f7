"""Ask line: a question with a line to answer it in, inside the dock instead of a box over it."""

from collections.abc import Callable

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QFileDialog, QLabel, QLineEdit, QPushButton, QToolButton, QWidget

from napari_ziggurat.gui.widgets import column, row

__all__ = ["AskLine"]


class AskLine(QWidget):
    """Hidden until something is asked; Return answers, Escape leaves everything as it is."""

    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._then: Callable[[str], None] | None = None
        self.question = QLabel()
        self.question.setWordWrap(True)
        self.line = QLineEdit()
        self.line.setObjectName("answer")
        self.browse_button = QToolButton()
        self.browse_button.setText("…")
        self.browse_button.setToolTip("Choose where it goes.")
        self.yes_button = QPushButton()
        self.no_button = QPushButton("Cancel")
        self.no_button.setToolTip("Leave everything as it is (Escape).")
        top = row(self.line, self.browse_button)
        top.setStretch(0, 1)
        self.setLayout(column(self.question, top, row(self.yes_button, self.no_button)))
        self.line.returnPressed.connect(self._answer)
        self.yes_button.clicked.connect(self._answer)
        self.no_button.clicked.connect(self.end)
        self.browse_button.clicked.connect(self._browse)
        self.hide()

    def ask(
        self, question: str, text: str, yes: str, then: Callable[[str], None], *, place: bool = True
    ) -> None:
        """Ask something.

        Parameters
        ----------
        question, text : str
            What is asked, and the answer that is proposed.
        yes : str
            What the button says.
        then : callable
            Gets the answer.
        place : bool
            The answer is a path.
        """
        self._then = then
        self.question.setText(question)
        self.line.setText(text)
        self.line.setToolTip(f"{question} (Return: {yes}, Escape: Cancel)")
        self.yes_button.setText(yes)
        self.yes_button.setToolTip(f"{question} (Return)")
        self.browse_button.setVisible(place)
        self.show()
        self.line.setFocus()
        self.line.selectAll()

    def end(self) -> None:
        """Ask nothing any more."""
        self._then = None
        self.hide()
        self.closed.emit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Leave everything as it is at Escape."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.end()
        else:
            super().keyPressEvent(event)

    def _answer(self) -> None:
        (then, text) = (self._then, self.line.text().strip())
        if then is not None and text:
            self.end()
            then(text)

    def _browse(self) -> None:
        (path, _) = QFileDialog.getSaveFileName(self, self.question.text(), self.line.text())
        if path:
            self.line.setText(path)
