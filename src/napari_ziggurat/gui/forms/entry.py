"""Entry: one setting in a form, with the value it has by itself, its help and its own error."""

from typing import Annotated, Any, Literal, get_args, get_origin

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit, QWidget

from napari_ziggurat.gui.widgets import column, note, shrinking_combo
from napari_ziggurat.runs.settings import Settings

__all__ = ["Entry", "entry_for"]

_AUTO = "auto"


class Entry(QWidget):
    """A widget to say a value in, and a sentence below it where the value is wrong.

    Parameters
    ----------
    config : type of Settings
        The field is one of its own.
    field : str
    widget : QLineEdit, QComboBox or QCheckBox
    """

    changed = Signal()

    def __init__(self, config: type[Settings], field: str, widget: QWidget) -> None:
        super().__init__()
        self.config, self.field, self.widget = config, field, widget
        widget.setObjectName(field)
        widget.setToolTip(_help(config, field))
        self.trouble = note(f"{field}-trouble")
        self.trouble.setTextFormat(Qt.TextFormat.PlainText)
        self.trouble.hide()
        self.setLayout(column(widget, self.trouble))

    @property
    def value(self) -> str:
        """What was said, as it is typed on the command line; empty where nothing was."""
        raise NotImplementedError

    def say(self, value: str) -> None:
        """Fill in a value, as `value` gave it."""
        raise NotImplementedError

    def show_automatic(self, text: str) -> None:
        """Show what holds while nothing is said."""

    def check(self) -> bool:
        """Show what is wrong with the value; give whether it is right."""
        wrong = self.config.trouble(self.field, self.value) if self.value else ""
        self.trouble.setText(f"⚠ {wrong}" if wrong else "")
        self.trouble.setVisible(bool(wrong))
        return not wrong

    def _edited(self) -> None:
        self.check()
        self.changed.emit()


class _Line(Entry):
    def __init__(self, config: type[Settings], field: str) -> None:
        self.line = QLineEdit()
        super().__init__(config, field, self.line)
        self.line.textChanged.connect(self._edited)

    @property
    def value(self) -> str:
        return self.line.text().strip()

    def say(self, value: str) -> None:
        self.line.setText(value)

    def show_automatic(self, text: str) -> None:
        self.line.setPlaceholderText(text)


class _List(Entry):
    """The first choice is what holds by itself."""

    def __init__(self, config: type[Settings], field: str, choices: tuple[str, ...]) -> None:
        self.box: QComboBox = shrinking_combo(field, "")
        default = config.model_fields[field].default
        self._named = str(default) in choices
        self.box.addItem(str(default) if self._named else _AUTO, "")
        for choice in choices:
            if choice != str(default):
                self.box.addItem(choice, choice)
        super().__init__(config, field, self.box)
        self.box.currentIndexChanged.connect(self._edited)

    @property
    def value(self) -> str:
        return str(self.box.currentData() or "")

    def say(self, value: str) -> None:
        self.box.setCurrentIndex(max(0, self.box.findData(value)))

    def show_automatic(self, text: str) -> None:
        if not self._named:
            self.box.setItemText(0, text)


class _Switch(Entry):
    def __init__(self, config: type[Settings], field: str) -> None:
        self.switch = QCheckBox()
        self._default = bool(config.model_fields[field].default)
        self.switch.setChecked(self._default)
        super().__init__(config, field, self.switch)
        self.switch.toggled.connect(self._edited)

    @property
    def value(self) -> str:
        checked = self.switch.isChecked()
        return "" if checked == self._default else "yes" if checked else "no"

    def say(self, value: str) -> None:
        self.switch.setChecked({"yes": True, "no": False}.get(value, self._default))


def entry_for(config: type[Settings], field: str) -> Entry:
    """Make the entry that suits a field: a switch, a list of choices, or a line."""
    annotation = config.model_fields[field].annotation
    if annotation is bool:
        return _Switch(config, field)
    if choices := _choices(annotation):
        return _List(config, field, choices)
    entry = _Line(config, field)
    default = config.model_fields[field].default
    entry.show_automatic(_AUTO if default in (None, ()) else str(default))
    return entry


def _choices(annotation: Any) -> tuple[str, ...]:
    """Give the words that may be said; none where it is no matter of a few words."""
    for part in (annotation, *get_args(annotation)):
        inner = get_args(part)[0] if get_origin(part) is Annotated else part
        if get_origin(inner) is Literal:
            return tuple(map(str, get_args(inner)))
        if get_origin(part) is tuple:
            return ()
    return ()


def _help(config: type[Settings], field: str) -> str:
    """Say what a setting does and how it is written, for a tooltip."""
    info, shown = config.model_fields[field], config.shown(field)
    lines = [str(info.description)]
    if metavar := shown.get("metavar"):
        lines.append(f"Written as {metavar}.")
    if info.default not in (None, (), False) and not info.is_required():
        lines.append(f"{info.default} unless given.")
    return "\n".join(lines)
