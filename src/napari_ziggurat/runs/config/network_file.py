"""Network file: parts of a network in YAML, for ``--network``."""

from pathlib import Path

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.composition import Composition
from napari_ziggurat.networks.registry import find_preset, known_presets
from napari_ziggurat.runs.settings import read_yaml

__all__ = ["read_network"]

_SUFFIXES = (".yaml", ".yml")


def read_network(text: str) -> str | Composition:
    """Find what ``--network`` names: a preset, or a YAML file of parts.

    Raises
    ------
    MissingError
        There is no such file.
    InputError
        There is no such preset, or something in the file is unknown or wrong.
    """
    path = Path(text)
    if path.suffix not in _SUFFIXES:
        find_preset(text)
        return text
    composition = Composition.parse(read_yaml(path), text, path.name)
    try:
        find_preset(composition.preset)
    except InputError as error:
        raise InputError(f"{text}: {error}") from None
    if composition.name in known_presets():
        raise InputError(
            f"{text}: the name '{composition.name}' is that of another network that comes with "
            "ziggurat; give one of your own, or none."
        )
    return composition
