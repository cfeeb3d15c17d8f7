"""Doubtful necks as a table of points, which napari opens as it is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.runs.objects.files import Files
from napari_ziggurat.runs.objects.necks import DoubtfulNecks
from napari_ziggurat.runs.objects.plan import ObjectsPlan
from napari_ziggurat.runs.objects.table import write_columns

__all__ = ["doubtful_in", "write_doubtful"]

_AT_ONCE = 2**16


def doubtful_in(store: Path) -> Path:
    """Name the table that goes with a store wherever that is moved."""
    return store / ".ziggurat" / "doubtful.csv"


def write_doubtful(plan: ObjectsPlan, files: Files, *paths: Path) -> None:
    """Write one row for each doubtful neck, in the order of their places.

    ``axis-0`` and so on are where it lies: a time point, where there are several, and coordinates
    in the unit of the image. These are the names that napari reads as a layer of points.
    """
    necks = DoubtfulNecks.load(files)
    write_columns(_columns(plan, necks), *paths)


def _columns(plan: ObjectsPlan, necks: DoubtfulNecks) -> Iterator[Mapping[str, NDArray[Any]]]:
    for start in range(0, max(1, len(necks)), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        yield {
            "index": np.arange(len(necks))[part],
            **{f"axis-{i}": axis for i, axis in enumerate(_places(plan, necks.places[part]))},
            "first": necks.ids[part, 0],
            "second": necks.ids[part, 1],
            "neck": necks.ratio[part],
            "cut": necks.cut[part],
        }


def _places(plan: ObjectsPlan, voxels: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Middle between the two voxels of each neck."""
    level, size = plan.labels.levels[0], plan.grid.region.size
    ends = np.stack(np.unravel_index(voxels % size, plan.grid.region.shape))
    middle = ends.mean(axis=2)
    found = [
        origin + scale * where
        for origin, scale, where in zip(
            level.translation, level.spacing.values, middle, strict=True
        )
    ]
    return [voxels[:, 0] // size, *found] if plan.labels.axes.has("t") else found
