"""Loading: objects that were written, with their table and doubtful places, for layers."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_ziggurat.gui.lazy_view import Arranged, LazyView
from napari_ziggurat.gui.objects.grid import ObjectGrid
from napari_ziggurat.gui.stores import outermost_store
from napari_ziggurat.progress import Progress

__all__ = ["Loaded", "doubtful_table", "load_objects"]

_FEATURES = 10**6  # objects up to which a table is read: some seconds, some hundred megabytes
_DOUBTFUL = 10**4  # places that are shown

Table = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Loaded:
    """What is shown of objects.

    Attributes
    ----------
    path : Path
    views : tuple of LazyView
        Finest first, with the axes that were asked for.
    grid : ObjectGrid
    table : mapping of str to array, or None
        None where it has too many rows.
    doubtful : mapping of str to array, or None
        Places where it is doubtful that two parts are one object; None where none are told.
    """

    path: Path
    views: tuple[LazyView, ...]
    grid: ObjectGrid
    table: Table | None
    doubtful: Table | None


def load_objects(
    path: Path, axes: str, lengths: Mapping[str, int]
) -> Generator[Progress, None, Loaded]:
    """Open objects with the axes of a layer; the generator gives back a `Loaded`.

    Parameters
    ----------
    path : Path
        What ``ziggurat objects`` wrote.
    axes : str
        Of the layer.
    lengths : mapping of str to int
        Length of each axis.
    """
    yield Progress("open objects")
    from napari_ziggurat.images import open_image
    from napari_ziggurat.runs.objects.table import read_table, table_in

    image = open_image(path)
    fixed = {letter: 0 for letter in image.axes.names if letter not in axes}
    views = tuple(
        LazyView(Arranged(array, image.axes.names, axes, lengths=lengths, fixed=fixed))
        for array in image.arrays
    )
    inside = table_in(path)
    table = read_table(inside, _FEATURES) if inside.is_file() else None
    place = doubtful_table(path)
    doubtful = None if place is None else read_table(place, _DOUBTFUL)
    return Loaded(path, views, ObjectGrid.of(image), table, doubtful)


def doubtful_table(path: Path) -> Path | None:
    """Give the table of doubtful places of objects, in their store or beside it."""
    name = path.name.removesuffix(".zarr").removesuffix(".ome")
    beside = outermost_store(path).parent
    named = (f"{name}_doubtful.csv", f"{name}_objects_doubtful.csv")
    tables = (path / ".ziggurat" / "doubtful.csv", *(beside / each for each in named))
    return next((each for each in tables if each.is_file()), None)
