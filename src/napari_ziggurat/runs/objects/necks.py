"""Necks: parts of basins in blocks -> whole basins, and which of them are one object."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.inference.objects import (
    Faces,
    Joining,
    Merging,
    Necks,
    Saddles,
    Side,
    merge_basins,
    saddles_across,
    seam_steps,
)
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.objects.files import Files
from napari_ziggurat.runs.objects.parting import DEPTH
from napari_ziggurat.runs.objects.plan import ObjectsPlan

__all__ = ["DoubtfulNecks", "join_basins"]

_NAMES = ("ids", "ratio", "cut", "places")

Numbers = NDArray[np.int64]
Kept = Mapping[str, NDArray[Any]]
Step = tuple[int, ...]


@dataclass(frozen=True)
class DoubtfulNecks:
    """Necks where a splitting strength that is a little different would decide otherwise.

    Attributes
    ----------
    ids : (K, 2) uint64 array
        The two objects, the smaller first; twice the same where they were not cut.
    ratio : (K,) float64 array
        Depth of the neck, divided by that of the shallower of the two parts.
    cut : (K,) bool array
        They are two objects.
    places : (K, 2) int64 array
        The two voxels where they touch, in a scan of the whole image.
    """

    ids: NDArray[np.uint64]
    ratio: NDArray[np.float64]
    cut: NDArray[np.bool_]
    places: Numbers

    @classmethod
    def of(cls, necks: Necks, ids: NDArray[np.uint64]) -> "DoubtfulNecks":
        """Name the objects of necks, in the order of their places; ids are those of fragments."""
        both = np.sort(ids[necks.saddles.pairs], axis=1)
        order = np.lexsort(necks.saddles.places.T[::-1])
        order = order[(both[order] > 0).all(axis=1)]
        return cls(both[order], necks.ratio[order], necks.cut[order], necks.saddles.places[order])

    def __len__(self) -> int:
        return len(self.ratio)

    def save(self, files: Files) -> None:
        """Keep them until the tables are written."""
        files.save_numbers({f"doubtful_{name}": getattr(self, name) for name in _NAMES})

    @classmethod
    def load(cls, files: Files) -> "DoubtfulNecks":
        """Read what was kept."""
        return cls(**{name: np.array(files.numbers(f"doubtful_{name}")) for name in _NAMES})


def join_basins(
    plan: ObjectsPlan, files: Files, offsets: Numbers, joining: Joining
) -> Run[Merging]:
    """Join fragments to basins, and basins to objects.

    Parameters
    ----------
    plan, files
        Of the run.
    offsets : (blocks + 1,) int64 array
        Where the fragments of each block begin.
    joining : Joining
        Of all fragments; what is one object is joined in it.

    Returns
    -------
    Merging
        As the generator's value; basins have the numbers of fragments that belong to them.
    """
    saddles, bottoms = [], np.zeros(int(offsets[-1]), np.uint32)
    for number in range(plan.blocks):
        yield Progress("join", number, plan.blocks)
        if offsets[number] == offsets[number + 1]:
            continue
        with files.opened(number) as kept:
            bottoms[offsets[number] : offsets[number + 1]] = kept["bottoms"]
            saddles.append(_own_saddles(kept, int(offsets[number])))
            saddles += _seam_saddles(plan, files, number, kept, offsets)
            joining.join(_continued(plan, files, number, kept, offsets))
    yield Progress("join", plan.blocks, plan.blocks)
    whole, basin = np.unique(joining.roots(), return_inverse=True)
    deepest = np.zeros(len(whole), np.uint32)
    np.maximum.at(deepest, basin, bottoms)
    found = Saddles.together(saddles).renamed(basin)
    merging = merge_basins(found, deepest, plan.settings.split, plan.parting.least).renamed(whole)
    joining.join(merging.joined)
    return merging


def _own_saddles(kept: Kept, offset: int) -> Saddles:
    return Saddles(kept["saddle_pairs"] + offset, kept["saddle_depths"], kept["saddle_places"])


def _continued(
    plan: ObjectsPlan, files: Files, number: int, kept: Kept, offsets: Numbers
) -> Numbers:
    """Fragments whose basin goes on in another block, each with the fragment there."""
    shape = plan.grid.region.shape
    exits, targets = kept["exits"] - 1 + offsets[number], kept["targets"]
    places = np.stack(np.unravel_index(targets % plan.grid.region.size, shape), 1)
    index = places // np.array(plan.grid.block_shape)
    steps = index - np.array(plan.block_at(number).index)
    found = [np.zeros((0, 2), np.int64)]
    for step in np.unique(steps, axis=0):
        chosen = (steps == step).all(axis=1)
        other = plan.neighbour(number, tuple(step.tolist()))
        assert other is not None  # a way leads to a voxel of the image
        with files.opened(other) as there:
            names = _at_face(plan, there, other, tuple(step.tolist()), places[chosen])
        found.append(np.stack([exits[chosen], names - 1 + offsets[other]], 1))
    return np.concatenate(found)


def _at_face(plan: ObjectsPlan, kept: Kept, number: int, step: Step, places: Numbers) -> Numbers:
    """Fragments of a block at voxels that lie next to the block a step back."""
    axis = next(a for a, s in enumerate(step) if s)
    plane = kept[f"{axis}{'-' if step[axis] > 0 else '+'}"]
    inside = np.delete(places - np.array(plan.ground(number).box.start), axis, axis=1)
    found: Numbers = plane[tuple(inside.T)].astype(np.int64)
    return found


def _seam_saddles(
    plan: ObjectsPlan, files: Files, number: int, kept: Kept, offsets: Numbers
) -> Iterator[Saddles]:
    """Where fragments of a block touch those of later ones."""
    connectivity = plan.config.connectivity
    for step in seam_steps(plan.labels.dims, connectivity):
        other = plan.neighbour(number, step)
        if other is None or offsets[other] == offsets[other + 1]:
            continue
        back = tuple(-s for s in step)
        with files.opened(other) as there:
            near = _side(plan, kept, number, step, int(offsets[number]))
            far = _side(plan, there, other, back, int(offsets[other]))
        yield saddles_across(near, far, connectivity)


def _side(plan: ObjectsPlan, kept: Kept, number: int, step: Step, offset: int) -> Side:
    """Give what a block shows to the one a step away."""
    dims, ground = plan.labels.dims, plan.ground(number)
    fragments = Faces(kept, dims).toward(step).astype(np.int64)
    there = [
        np.arange(a, b) - a if s == 0 else np.array([0 if s < 0 else b - a - 1])
        for a, b, s in zip(ground.box.start, ground.box.stop, step, strict=True)
    ]
    places = ground.anchor(tuple(each.copy() for each in np.meshgrid(*there, indexing="ij")))
    classes = np.concatenate([np.zeros(1, np.int64), kept["classes"]])[fragments]
    return Side(
        np.where(fragments > 0, fragments - 1 + offset, -1),
        classes,
        Faces(kept, dims, DEPTH).toward(step),
        places.reshape(fragments.shape),
    )
