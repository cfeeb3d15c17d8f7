"""State: how the dock was left, kept beside napari's own settings, and put back."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QTabWidget

from napari_ziggurat.gui.forms.form import ConfigForm

__all__ = ["State", "last_state", "remember_state"]

_NAME = "napari-ziggurat-dock.json"
# Of one image or of one run; or preferences, which have a place of their own.
_OF_ONE = ("box", "level", "levels", "gate_level", "nan_as", "class_shares", "verify", "table")
_NOT_KEPT = (*_OF_ONE, "device", "memory")


class State(QObject):
    """Puts forms and tab back as they were, and keeps each change.

    It is written at each change, so that also what a crash ends comes back.

    Parameters
    ----------
    forms : mapping of str to ConfigForm
    tabs : QTabWidget
    """

    def __init__(self, forms: Mapping[str, ConfigForm], tabs: QTabWidget) -> None:
        super().__init__()
        self._forms, self._tabs = forms, tabs
        self._put_back(last_state())
        for form in forms.values():
            form.changed.connect(self._keep)
        tabs.currentChanged.connect(self._keep)

    def _put_back(self, state: Mapping[str, Any]) -> None:
        said = state.get("forms")
        for name, form in self._forms.items():
            values = said.get(name) if isinstance(said, dict) else None
            if isinstance(values, dict):
                form.say({k: v for k, v in values.items() if k not in _NOT_KEPT})
        names = [self._tabs.tabText(i) for i in range(self._tabs.count())]
        if state.get("tab") in names:
            self._tabs.setCurrentIndex(names.index(state["tab"]))

    def _keep(self) -> None:
        forms = {
            name: {k: v for k, v in form.values.items() if k not in _NOT_KEPT}
            for name, form in self._forms.items()
        }
        tab = self._tabs.tabText(self._tabs.currentIndex())
        remember_state({"forms": forms, "tab": tab})


def last_state() -> dict[str, Any]:
    """Read what was kept; nothing where there is none, or it is not ours."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def remember_state(state: Mapping[str, Any]) -> None:
    """Keep how the dock is now."""
    with contextlib.suppress(OSError, TypeError):  # no place to write is no reason to stop
        _file().write_text(json.dumps(state, indent=2), encoding="utf-8")


def _file() -> Path:
    from napari.settings import get_settings

    return Path(get_settings().config_path).with_name(_NAME)
