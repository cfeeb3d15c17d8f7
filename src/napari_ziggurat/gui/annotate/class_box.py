"""Class box: the table of classes with what can be done to them; nothing of it is modal."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton, QWidget

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, LabelClass
from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.gui.annotate.class_table import ClassTable
from napari_ziggurat.gui.annotate.classes import added, changed, without
from napari_ziggurat.gui.widgets import column, note, row

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_ziggurat.gui.annotate.session import Session

__all__ = ["ClassBox"]


class ClassBox(QWidget):
    """The classes of a session: choose, add, rename, recolour, remove; undo and redo."""

    def __init__(self) -> None:
        super().__init__()
        self._session: Session | None = None
        self._asked: LabelClass | None = None  # whether to remove it
        self.table = ClassTable()
        self.add_button = _button("+ Class", "Add a class.", self._add)
        self.remove_button = _button("Remove", "Remove the marked class.", self._ask)
        self.undo_button = _button("Undo", "Take back the last stroke (Ctrl+Z).", self._undo)
        self.redo_button = _button("Redo", "Paint it again (Ctrl+Shift+Z).", self._redo)
        self.question = note("class-question")
        self.yes_button = QPushButton("Remove")
        self.no_button = QPushButton("Keep")
        self.yes_button.clicked.connect(self._remove)
        self.no_button.clicked.connect(self._keep)
        self._answer = QWidget()
        self._answer.setLayout(column(self.question, row(self.yes_button, self.no_button)))
        self._answer.hide()
        self.trouble = note("class-trouble")
        self.trouble.hide()
        tools = row(self.add_button, self.remove_button)
        tools.addStretch()
        tools.addWidget(self.undo_button)
        tools.addWidget(self.redo_button)
        self.setLayout(column(self.table, self._answer, self.trouble, tools))
        self.table.chosen.connect(self.choose)
        self.table.renamed.connect(self._rename)
        self.table.recolored.connect(self._recolor)

    def show_session(self, session: "Session | None") -> None:
        """Show the classes of another annotation, or none."""
        self._session = session
        self._keep()
        self.refresh()

    def refresh(self) -> None:
        """Show what is known now."""
        session = self._session
        if session is not None:
            self.table.show_classes(session.classes, session.census.counts)
            self.mark()

    def mark(self) -> None:
        """Mark what a stroke would paint."""
        if self._session is not None:
            self.table.mark(self._session.value)

    def choose(self, value: int) -> None:
        """Take the brush for a value."""
        if self._session is not None:
            self._session.choose(value)

    def choose_row(self, number: int) -> None:
        """Take the brush for a row, as its key does; a row that is not there does nothing."""
        if (value := self.table.value_at(number)) is not None:
            self.choose(value)

    def _add(self) -> None:
        if (session := self._session) is not None:
            new = added(session.classes)
            if self._set((*session.classes, new)):
                session.choose(new.value)

    def _rename(self, value: int, name: str) -> None:
        if (session := self._session) is not None:
            self._set(changed(session.classes, value, name=name))

    def _recolor(self, value: int, color: str) -> None:
        if (session := self._session) is not None:
            self._set(changed(session.classes, value, color=color))

    def _ask(self) -> None:
        """Ask below the table; nothing happens before it is answered."""
        session = self._session
        classes = () if session is None else session.classes
        found = [c for c in classes if c.value == self.table.value != EXPLICIT_BACKGROUND]
        if session is None or not found:
            self._say("Mark the class to remove; background and eraser stay.")
            return
        (self._asked,) = found
        count = session.census.counts.get(self._asked.value, 0)
        fate = f"Its {count:,} voxels become unlabelled." if count else "Nothing is painted in it."
        self.question.setText(f"Remove '{self._asked.name}'? {fate}")
        self._say("")
        self._answer.show()

    def _remove(self) -> None:
        (session, asked) = (self._session, self._asked)
        self._keep()
        if session is None or asked is None:
            return
        try:
            session.erase_class(asked.value)
        except (ZigguratError, OSError) as error:
            self._say(f"⚠ {error}")
            return
        if self._set(without(session.classes, asked.value)):
            session.choose(session.classes[-1].value)

    def _keep(self) -> None:
        self._asked = None
        self._answer.hide()
        self._say("")

    def _set(self, classes: tuple[LabelClass, ...]) -> bool:
        """Write the classes; where that is refused say why, and show those that are there."""
        if self._session is None:
            return False
        try:
            self._session.set_classes(classes)
        except (ZigguratError, OSError) as error:
            self._say(f"⚠ {error}")
            self.refresh()
            return False
        self._say("")
        return True

    def _undo(self) -> None:
        if self._session is not None:
            self._session.undo()

    def _redo(self) -> None:
        if self._session is not None:
            self._session.redo()

    def _say(self, sentence: str) -> None:
        self.trouble.setText(sentence)
        self.trouble.setVisible(bool(sentence))


def _button(text: str, tooltip: str, clicked: "Callable[[], None]") -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(clicked)
    return button
