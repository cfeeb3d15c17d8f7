"""Known models: those that were opened or made, and those in a folder.

The list is kept beside napari's own settings.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

__all__ = [
    "Shelf",
    "forget_model",
    "known_models",
    "name_model",
    "read_shelf",
    "recent_models",
    "remember_model",
    "set_folder",
]

_MOST_RECENT = 8  # in the line of the model
_MOST = 100


@dataclass(frozen=True)
class Shelf:
    """What is remembered; files are nowhere touched.

    Attributes
    ----------
    models : sequence of str
        Absolute paths, the one that was opened last comes first.
    folder : str or None
        All models in it are known, too.
    names : mapping of str to str
        What somebody calls a model, by its path.
    forgotten : sequence of str
        Models of the folder that are not listed.
    """

    models: Sequence[str] = ()
    folder: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    forgotten: Sequence[str] = ()


def recent_models() -> list[Path]:
    """List the models opened last, newest first; those that are gone are left out."""
    return [path for path in map(Path, read_shelf().models) if path.exists()][:_MOST_RECENT]


def known_models() -> list[Path]:
    """List all models that are known, the ones opened last first, also those that are gone."""
    shelf = read_shelf()
    inside = [] if shelf.folder is None else _models_in(Path(shelf.folder))
    listed = [path for path in inside if path not in shelf.forgotten]
    return [Path(name) for name in dict.fromkeys([*shelf.models, *listed])]


def remember_model(path: Path) -> None:
    """Put a model on top of the list."""
    (shelf, name) = (read_shelf(), str(path.absolute()))
    models = [name, *_without(shelf.models, name)][:_MOST]
    _write(replace(shelf, models=models, forgotten=_without(shelf.forgotten, name)))


def forget_model(path: Path) -> None:
    """Take a model from the list."""
    (shelf, name) = (read_shelf(), str(path))
    names = {key: value for key, value in shelf.names.items() if key != name}
    inside = shelf.folder is not None and path.parent == Path(shelf.folder)
    forgotten = [*_without(shelf.forgotten, name), *([name] if inside else [])]
    _write(replace(shelf, models=_without(shelf.models, name), names=names, forgotten=forgotten))


def name_model(path: Path, name: str) -> None:
    """Call a model something in the list; its folder's name again where it is empty."""
    shelf = read_shelf()
    names = {key: value for key, value in shelf.names.items() if key != str(path)}
    _write(replace(shelf, names=names | ({str(path): name} if name else {})))


def set_folder(folder: Path | None) -> None:
    """List all models of a folder; those of it that were forgotten come back."""
    name = None if folder is None else str(folder.absolute())
    _write(replace(read_shelf(), folder=name, forgotten=()))


def read_shelf() -> Shelf:
    """Read what is remembered; nothing where it was never written, or not by us."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
        return _parsed(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Shelf()


def _parsed(found: Any) -> Shelf:
    folder = found.get("folder")
    return Shelf(
        [str(name) for name in found["models"]],
        None if folder is None else str(folder),
        {str(key): str(value) for key, value in found.get("names", {}).items()},
        [str(name) for name in found.get("forgotten", [])],
    )


def _write(shelf: Shelf) -> None:
    text = json.dumps(asdict(shelf), indent=2)
    with contextlib.suppress(OSError, TypeError):  # no place to write is no reason to stop
        _file().write_text(text, encoding="utf-8")


def _models_in(folder: Path) -> list[str]:
    try:
        return sorted(str(path.parent) for path in folder.glob("*/model.json"))
    except OSError:
        return []


def _without(names: Sequence[str], name: str) -> list[str]:
    return [each for each in names if each != name]


def _file() -> Path:
    from napari.settings import get_settings

    return Path(get_settings().config_path).with_name("napari-ziggurat.json")
