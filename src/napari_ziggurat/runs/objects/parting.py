"""Parting: what makes fragments of the voxels of a block; where asked for, cut at necks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import MAX_CLASS
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.inference.objects import (
    CONTEXT,
    Components,
    Connectivity,
    Faces,
    Ground,
    View,
    depth_of_classes,
    depth_of_shapes,
    find_basins,
    one_voxel,
    reach,
    saddles_within,
)
from napari_ziggurat.inference.objects.depth import STEPS, Depths
from napari_ziggurat.networks import ObjectSettings
from napari_ziggurat.runs.objects.voxels import ClassVoxels, Seen

__all__ = ["DEPTH", "Found", "Parting"]

DEPTH = "depth "
"""What the names of faces with depths begin with."""

_AROUND = {2: 64, 3: 16}  # voxels around a block in which ways are followed
_HARDLY = 0.05  # of the greatest depth that a network tells: less is noise


@dataclass(frozen=True)
class Found:
    """Fragments of a block.

    Attributes
    ----------
    seen : Seen
        Its voxels.
    fragments : ((Z), Y, X) uint32 array
        0 is background.
    count : int
        The largest number; all from 1 to it occur.
    basins : mapping of str to array
        What is needed to tell which of them are one object, where objects are parted.
    """

    seen: Seen
    fragments: NDArray[np.uint32]
    count: int
    basins: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Parting:
    """Finds fragments.

    Attributes
    ----------
    voxels : ClassVoxels
        What objects are made of.
    settings : ObjectSettings
        With a ``split`` of 0, fragments are connected components.
    connectivity : {"full", "face"}
        Which voxels touch.
    spacing : tuple of float
        Voxel size.
    """

    voxels: ClassVoxels
    settings: ObjectSettings
    connectivity: Connectivity
    spacing: tuple[float, ...]

    @property
    def cuts(self) -> bool:
        """Tell whether objects are cut at necks."""
        return self.settings.split > 0

    @property
    def least(self) -> int:
        """How much deeper than its neck a part is at least."""
        if "distance" in self.voxels.shapes:
            return int(_HARDLY * STEPS) << 16
        return one_voxel(len(self.spacing))

    def find(self, ground: Ground) -> Found:
        """Find the fragments of a block."""
        if self.cuts:
            return self._basins(ground)
        seen = self.voxels.read(ground.box, ground.time)
        return Found(seen, *Components(self.connectivity)(seen.classes))

    def _basins(self, ground: Ground) -> Found:
        view = View(ground, _grown(ground.box, self._around, ground.shape))
        seen, depths = self._read(view, ground.time)
        inner = view.inner
        found = find_basins(seen.classes, depths, view, self.connectivity)
        inside, depths = seen.cut(inner), np.ascontiguousarray(depths[inner.slices])
        count = len(found.bottoms)
        saddles = saddles_within(
            found.fragments, inside.classes, depths, view, self.connectivity
        ).strongest(count)
        kept: dict[str, NDArray[Any]] = {
            "bottoms": found.bottoms,
            "exits": found.exits,
            "targets": found.targets,
            "saddle_pairs": saddles.pairs,
            "saddle_depths": saddles.depths,
            "saddle_places": saddles.places,
            **Faces.of(depths, DEPTH).planes,
        }
        return Found(inside, found.fragments, count, kept)

    def _read(self, view: View, time: int) -> tuple[Seen, Depths]:
        """Read a window, and enough around it to tell all its depths."""
        box = _grown(view.window, self._reach, view.ground.shape)
        seen = self.voxels.read(box, time)
        self._check(seen)
        depths = self._depths(seen)
        window = view.window.relative_to(box.start)
        return seen.cut(window), depths[window.slices]

    def _depths(self, seen: Seen) -> Depths:
        if seen.shapes is None:
            return depth_of_classes(seen.classes, self.spacing)
        shapes = dict(zip(self.voxels.shapes, seen.shapes, strict=True))
        boundary, weight = shapes.get("boundary"), self.settings.boundary
        if "distance" in shapes:
            return depth_of_shapes(shapes["distance"], boundary, weight)
        assert boundary is not None  # the plan has seen to it
        most = 255 if boundary.dtype == np.uint8 else 1
        between = boundary.astype(np.float32) * weight > most / 2
        return depth_of_classes(np.where(between, 0, seen.classes), self.spacing)

    def _check(self, seen: Seen) -> None:
        most = int(seen.classes.max(initial=0))
        if most > MAX_CLASS:
            source = self.voxels.source
            raise InputError(
                f"--split cuts objects of classes, which are 1 to {MAX_CLASS}; "
                f"'{source.source or source.name}' holds the number {most}, so that it seems to "
                "hold one number for each object already. Leave --split out, or say --task "
                "foreground to take all numbers as one class."
            )

    @property
    def _around(self) -> tuple[int, ...]:
        return (_AROUND[len(self.spacing)],) * len(self.spacing)

    @property
    def _reach(self) -> tuple[int, ...]:
        if "distance" in self.voxels.shapes:
            return (CONTEXT,) * len(self.spacing)
        return reach(self.spacing)


def _grown(box: Box, margin: tuple[int, ...], shape: tuple[int, ...]) -> Box:
    start = tuple(max(0, a - m) for a, m in zip(box.start, margin, strict=True))
    stop = tuple(min(n, b + m) for b, m, n in zip(box.stop, margin, shape, strict=True))
    return Box(start, stop)
