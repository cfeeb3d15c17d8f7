"""Preferences: what somebody always wants, from napari's File > Preferences."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from napari_ziggurat.errors import InputError
from napari_ziggurat.gui.widgets import typed_path

__all__ = ["Preferences", "preferences"]

logger = logging.getLogger(__name__)

_PLUGIN = "napari-ziggurat"
_AUTO = "auto"


@dataclass(frozen=True)
class Preferences:
    """What is filled into the forms when the dock opens.

    Attributes
    ----------
    device, memory : str
        As on the command line; ``auto`` and nothing are left as they are.
    folder : Path
        Where what is made of images in memory and on servers is proposed to lie.
    """

    device: str = _AUTO
    memory: str = ""
    folder: Path = field(default_factory=Path.home)

    @property
    def machine(self) -> dict[str, str]:
        """Fields of a configuration, as a form takes them."""
        device = "" if self.device == _AUTO else self.device
        return {"device": device, "memory": self.memory}


def preferences() -> Preferences:
    """Read them; those of the dock where napari does not know the plugin, as in a script."""
    try:
        from napari.settings import get_plugin_settings

        found = get_plugin_settings(_PLUGIN)
    except (ImportError, KeyError):
        return Preferences()
    machine = found.machine
    folder = _folder(found.folders.results.strip())
    return Preferences(machine.device.strip() or _AUTO, machine.memory.strip(), folder)


def _folder(text: str) -> Path:
    try:
        return typed_path(text) if text else Path.home()
    except InputError as error:  # the dock opens all the same, and shows where things go
        logger.warning("Preferences, folder of results: %s", error)
        return Path.home()
