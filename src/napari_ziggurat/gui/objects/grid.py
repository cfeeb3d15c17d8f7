"""Grid: where the places in a table of objects lie among the voxels of a layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_ziggurat.geometry import Box

if TYPE_CHECKING:
    from napari_ziggurat.images import Image

__all__ = ["ObjectGrid"]


@dataclass(frozen=True)
class ObjectGrid:
    """How lengths in the unit of labels become their voxels.

    Attributes
    ----------
    axes : str
        Spatial axes, ``(z)yx``.
    spacing, origin : tuple of float
        Size of a voxel, and the centre of voxel 0, per axis.
    """

    axes: str
    spacing: tuple[float, ...]
    origin: tuple[float, ...]

    @classmethod
    def of(cls, labels: "Image") -> "ObjectGrid":
        """Take it from labels that are open."""
        level = labels.levels[0]
        return cls(labels.axes.spatial, level.spacing.values, level.translation)

    def point(self, row: Mapping[str, Any]) -> dict[str, float] | None:
        """Give the voxel at the centre of a row, by axis; None where the row has no place.

        A place is ``z``, ``y``, ``x``, or a box of these, or ``axis-0``, ``axis-1``, ... as napari
        names what it reads as points; these begin with the time where there is one.
        """
        found = {}
        timed = int(f"axis-{len(self.axes)}" in row)
        steps = enumerate(zip(self.axes, self.spacing, self.origin, strict=True), timed)
        for number, (axis, size, first) in steps:
            ways = ((axis,), (f"{axis}_start", f"{axis}_stop"), (f"axis-{number}",))
            names = next((way for way in ways if set(way) <= set(row)), None)
            try:
                ends = [float(row[name]) for name in names or ()]
            except (TypeError, ValueError):
                return None
            if not ends:
                return None
            found[axis] = (sum(ends) / len(ends) - first) / size
        if timed:
            found["t"] = float(row["axis-0"])
        return found

    def box(self, row: Mapping[str, Any], axes: str, shape: tuple[int, ...]) -> Box | None:
        """Give the box of a row in voxels of a layer; None where the row has none.

        Parameters
        ----------
        row : mapping
            With ``z_start``, ``z_stop``, ... as outer edges, in the unit of the labels, and
            ``time`` where there are several.
        axes : str
            Axes of the layer; along those that the row knows nothing of the box is whole.
        shape : tuple of int
            Of the layer's finest level.
        """
        ends = {letter: (0, n) for letter, n in zip(axes, shape, strict=True)}
        try:
            if "t" in ends:
                ends["t"] = (int(row.get("time", 0)), int(row.get("time", 0)) + 1)
            for axis, size, first in zip(self.axes, self.spacing, self.origin, strict=True):
                edges = (row[f"{axis}_start"], row[f"{axis}_stop"])
                (low, high) = (round((float(edge) - first) / size + 0.5) for edge in edges)
                ends[axis] = (low, max(high, low + 1))
        except (KeyError, TypeError, ValueError):
            return None
        (start, stop) = zip(*(ends[letter] for letter in axes), strict=True)
        box = Box(start, stop).intersect(Box.whole(shape))
        return box if box.size else None
