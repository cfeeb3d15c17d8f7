"""Preferences: what somebody always wants, from napari's File > Preferences."""

from dataclasses import dataclass, field
from pathlib import Path

from napari_ziggurat.gui.widgets import typed_path

__all__ = ["Preferences", "preferences"]

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
    (machine, folders) = (found.machine, found.folders)
    folder = typed_path(folders.results) if folders.results else Path.home()
    return Preferences(machine.device.strip() or _AUTO, machine.memory.strip(), folder)
