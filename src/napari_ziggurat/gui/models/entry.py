"""Entry: a known model as it is listed; one that is gone or unreadable says why."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.gui.models.known import known_models, read_shelf
from napari_ziggurat.gui.models.picture import PICTURE
from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari_ziggurat.networks import ModelSpec

__all__ = ["Entry", "list_entries", "look_at", "tell_lineage"]

_GONE = "The folder '{}' is gone; Forget takes it from this list."


@dataclass(frozen=True)
class Entry:
    """A model of the list.

    Attributes
    ----------
    path : Path
    name : str
        What it is called in the list.
    spec : ModelSpec or None
        None where it cannot be read.
    why : str
        Why it cannot be read.
    gone : bool
        Its folder is not there.
    picture : Path or None
        A small picture of what it does.
    """

    path: Path
    name: str
    spec: "ModelSpec | None" = None
    why: str = ""
    gone: bool = False
    picture: Path | None = None


def look_at(path: Path, name: str = "") -> Entry:
    """Read what a model is."""
    from napari_ziggurat.networks.checkpoint import read_spec

    name = name or path.name
    try:
        spec = read_spec(path)
    except (ZigguratError, OSError) as error:
        gone = not path.exists()
        return Entry(path, name, why=_GONE.format(path) if gone else str(error), gone=gone)
    picture = path / PICTURE
    return Entry(path, name, spec, picture=picture if picture.is_file() else None)


def list_entries() -> Generator[Progress, None, Sequence[Entry]]:
    """Look at all known models; they may lie on slow disks."""
    (paths, names) = (known_models(), read_shelf().names)
    found = []
    for done, path in enumerate(paths):
        yield Progress("look at models", done, len(paths))
        found.append(look_at(path, names.get(str(path), "")))
    return found


def tell_lineage(path: Path) -> Generator[Progress, None, str]:
    """Tell all rounds that led to a model; its ancestors are looked for."""
    yield Progress("look for ancestors")
    from napari_ziggurat.runs.lineage import trace_lineage

    return trace_lineage(path).render()
