"""Options form: settings of a run that are chosen by themselves unless a person says otherwise."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLabel, QLineEdit, QToolButton, QWidget

from napari_ziggurat.gui.widgets import column, note
from napari_ziggurat.runs.config import SegmentConfig

__all__ = ["OptionsForm"]

# Field of the configuration: what happens while its line is empty.
_FIELDS = {
    "level": "the one that fits the model",
    "depth": "the whole network",
    "nan_as": "refuse such images",
    "device": "auto",
    "memory": "what is free",
    "workers": "auto",
    "batch": "auto",
}
_SWITCHES = ("all_scales",)
_SCOPE = "For the whole image; the view takes --depth, --nan-as and --device as well."


class OptionsForm(QWidget):
    """Lines to type in and switches, named as on the command line, behind a button.

    They are named as messages name them: who reads "say --nan-as 0" finds that line here.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.lines = {field: _line(field, empty) for field, empty in _FIELDS.items()}
        self.switches = {field: _switch(field) for field in _SWITCHES}
        self.button = QToolButton()
        self.button.setText("More options")
        self.button.setToolTip("Level, voxels that are no numbers, device, memory.")
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.button.setCheckable(True)
        self.button.toggled.connect(self._show_form)
        self._form = QWidget()
        self._form.setLayout(self._make_form())
        self._form.hide()
        self.setLayout(column(self.button, self._form))

    @property
    def values(self) -> dict[str, str]:
        """What was said, by field of the configuration; what is as by default is left out."""
        typed = {field: line.text().strip() for field, line in self.lines.items()}
        typed |= {field: "yes" for field, switch in self.switches.items() if switch.isChecked()}
        return {field: text for field, text in typed.items() if text}

    def _make_form(self) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        scope = note("options-scope")
        scope.setText(_SCOPE)
        form.addRow(scope)
        entries: dict[str, QLineEdit | QCheckBox] = {**self.lines, **self.switches}
        for field, entry in entries.items():
            label = QLabel(SegmentConfig.option(field))
            label.setToolTip(entry.toolTip())
            form.addRow(label, entry)
        for line in self.lines.values():
            line.textChanged.connect(self._edited)
        for switch in self.switches.values():
            switch.toggled.connect(self._edited)
        return form

    def _edited(self) -> None:
        self.changed.emit()

    def _show_form(self, shown: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)
        self._form.setVisible(shown)


def _line(field: str, empty: str) -> QLineEdit:
    line = QLineEdit()
    line.setObjectName(field)
    line.setPlaceholderText(empty)
    line.setToolTip(_help(field))
    return line


def _switch(field: str) -> QCheckBox:
    switch = QCheckBox()
    switch.setObjectName(field)
    switch.setToolTip(_help(field))
    return switch


def _help(field: str) -> str:
    return str(SegmentConfig.model_fields[field].description)
