"""Form: settings of a configuration below each other, folded away behind a button."""

from collections.abc import Iterable, Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QSizePolicy, QWidget

from napari_ziggurat.gui.forms.entry import Entry, entry_for
from napari_ziggurat.gui.forms.fold import Fold
from napari_ziggurat.gui.widgets import caption, column, note
from napari_ziggurat.runs.settings import Settings

__all__ = ["ConfigForm"]

_TOOLTIP = "Settings that are chosen by themselves unless you say otherwise."


class ConfigForm(QWidget):
    """Entries that are named as on the command line, in the groups of its help.

    They are named as messages name them: who reads "say --nan-as 0" finds that line here.

    Parameters
    ----------
    config : type of Settings
    fields : iterable of str
        Those that are shown, in this order.
    title : str
        Of the button that unfolds them.
    scope : str
        What they hold for.
    """

    changed = Signal()

    def __init__(
        self, config: type[Settings], fields: Iterable[str], title: str, scope: str = ""
    ) -> None:
        super().__init__()
        self.config = config
        self.entries: dict[str, Entry] = {field: entry_for(config, field) for field in fields}
        for entry in self.entries.values():
            entry.changed.connect(self._edited)
        self.title = title
        self.scope = note("form-scope")
        self.scope.setText(scope)
        self.scope.setVisible(bool(scope))
        self.form = QWidget()
        self.form.setLayout(self._make_form())
        inside = QWidget()
        inside.setLayout(column(self.scope, self.form))
        self.fold = Fold(title, _TOOLTIP, inside)
        self.button = self.fold.button
        self.setLayout(column(self.fold))
        self._count()

    @property
    def values(self) -> dict[str, str]:
        """What was said, by field of the configuration; what is as by default is left out."""
        return {field: entry.value for field, entry in self.entries.items() if entry.value}

    @property
    def right(self) -> bool:
        """Whether nothing that was said is wrong by itself."""
        wrong = [field for field, entry in self.entries.items() if not entry.check()]
        return not wrong

    def say(self, values: Mapping[str, Any]) -> None:
        """Fill in values that `values` gave; a field that is not shown is left out."""
        for field, value in values.items():
            if field in self.entries:
                self.entries[field].say(str(value))

    def show_automatic(self, texts: Mapping[str, str]) -> None:
        """Show what holds by itself, for fields of which that is known."""
        for field, text in texts.items():
            if field in self.entries:
                self.entries[field].show_automatic(text)

    def _make_form(self) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        panel = ""
        for field, entry in self.entries.items():
            group = str(self.config.shown(field).get("panel") or "")
            if group and group != panel:
                heading = caption(group)
                heading.setWordWrap(True)
                form.addRow(heading)
            panel = group
            label = QLabel(self.config.option(field))
            label.setToolTip(entry.widget.toolTip())
            entry.widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            form.addRow(label, entry)
        return form

    def _edited(self) -> None:
        self._count()
        self.changed.emit()

    def _count(self) -> None:
        """Say in the title how many are set, for nobody sees them while they are folded."""
        said = len(self.values)
        self.button.setText(f"{self.title} ({said} set)" if said else self.title)
