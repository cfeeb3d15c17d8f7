"""Surround: the surroundings that a segmentation looks at, and what they take."""

import math
from dataclasses import dataclass

from napari_ziggurat.geometry import Box, Lattice, SurroundLattice
from napari_ziggurat.images import Image
from napari_ziggurat.images.coarser import AVERAGED_BYTES, CoarserImage
from napari_ziggurat.inference.surroundings import SURROUND_BYTES
from napari_ziggurat.networks.checkpoint import ModelSpec

__all__ = ["SurroundPlan", "plan_surround"]


@dataclass(frozen=True)
class SurroundPlan:
    """The surroundings of one level of an image.

    Attributes
    ----------
    lattice : SurroundLattice
        Cells in which they are computed.
    coarser : CoarserImage
        Where their voxels come from.
    channels : int
        Of the hook feature.
    """

    lattice: SurroundLattice
    coarser: CoarserImage
    channels: int

    def windows(self, region: Box) -> int:
        """How many windows of surroundings a box of the image needs, each computed once."""
        return self.lattice.count(region)

    def read_region(self, region: Box) -> tuple[int, Box]:
        """Level that is read for the surroundings of a box, and the voxels of it."""
        levels = self.coarser.image.levels
        box = self.lattice.read_box(region, levels[self.coarser.level].shape)
        if self.coarser.stored is None:
            return self.coarser.level, box
        scaled = Box(
            tuple(a // f for a, f in zip(box.start, self.coarser.factor, strict=True)),
            tuple(-(-b // f) for b, f in zip(box.stop, self.coarser.factor, strict=True)),
        )
        there = Box.whole(levels[self.coarser.stored].shape)
        return self.coarser.stored, scaled.intersect(there)

    def memory(self, region: Box, bytes_each: int, readers: int) -> int:
        """Bytes of the hook features that are kept, and of what so many threads read for them."""
        hooks = math.prod(self.lattice.grids.hooks(region).shape)
        kept = min(SURROUND_BYTES, hooks * self.channels * bytes_each * self.coarser.image.times)
        channels = len(self.coarser.image.channels)
        window = math.prod(self.lattice.window_shape) * channels
        stored = self.coarser.image.dtype.itemsize
        averaged = AVERAGED_BYTES * channels if self.coarser.stored is None else 0
        return kept + readers * (window * (2 * stored + 8) + averaged)

    def render(self, region: Box) -> str:
        """Say in words what is seen, where from, and how much of it."""
        image, coarser = self.coarser.image, self.coarser
        where = (
            f"the means of voxels of level {coarser.level}, made while it is read (no level of the "
            "image lies just there)"
            if coarser.stored is None
            else f"level {coarser.stored} of the image"
        )
        return (
            f"Surroundings: {_by(coarser.factor)} voxels in one, {where}; "
            f"{self.windows(region) * image.times} windows of {_by(self.lattice.window_shape)}, "
            "whose features are kept for the windows beside."
        )

    def as_dict(self, region: Box) -> dict[str, object]:
        """Give the figures as JSON can hold them."""
        return {
            "factor": list(self.coarser.factor),
            "level": self.coarser.stored,
            "windows": self.windows(region) * self.coarser.image.times,
            "window": list(self.lattice.window_shape),
        }

    @property
    def decides(self) -> dict[str, object]:
        """Give what decides the result; `as_dict` would change with the region."""
        return {
            "level": self.coarser.stored,
            "factor": list(self.coarser.factor),
            "windows": [list(self.lattice.cell_shape), list(self.lattice.rim)],
        }


def plan_surround(
    image: Image, spec: ModelSpec, level: int, lattice: Lattice
) -> SurroundPlan | None:
    """Find where the surroundings that a model sees lie in an image; None where it sees none."""
    grids = spec.surroundings
    if grids is None:
        return None
    cells = SurroundLattice.of(grids, lattice)
    return SurroundPlan(cells, CoarserImage(image, level, grids.factor), spec.network.hook_channels)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
