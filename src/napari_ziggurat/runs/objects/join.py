"""Join: fragments of all blocks -> final numbers; memory grows with fragments, not with voxels."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.inference.objects import (
    Faces,
    Joining,
    Merging,
    Numbered,
    contacts,
    number_objects,
    seam_steps,
)
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.objects.files import Files, put
from napari_ziggurat.runs.objects.necks import DoubtfulNecks, join_basins
from napari_ziggurat.runs.objects.plan import ObjectsPlan

__all__ = ["Joined", "join", "joined"]

_DONE = "joined.json"


@dataclass(frozen=True)
class Joined:
    """Seam report: what became of the fragments.

    Attributes
    ----------
    objects, removed : int
        Objects, and those that were left out because they are too small.
    fragments : int
        Parts of objects in blocks.
    seams : int
        Objects that touch a seam: a place where two blocks meet.
    merged : int
        Objects that lie in several blocks.
    cut : int
        Necks at which two objects were cut apart.
    doubtful : int
        Necks where a splitting strength that is a little different would decide otherwise.
    """

    objects: int
    removed: int
    fragments: int
    seams: int
    merged: int
    cut: int = 0
    doubtful: int = 0


def joined(files: Files) -> Joined | None:
    """Read what `join` found; None before it has."""
    path = files.folder / _DONE
    return Joined(**json.loads(path.read_text("utf-8"))) if path.exists() else None


def join(plan: ObjectsPlan, files: Files) -> Run[Joined]:
    """Join fragments across seams, and number the objects.

    It writes ``ids`` (the final number of each fragment), ``offsets`` (where those of a block
    begin) and ``spans`` (the smallest and largest number in each block), then that it is done.
    """
    offsets = yield from _offsets(plan, files)
    joining, merging = Joining(int(offsets[-1])), None
    if plan.parting.cuts:
        merging = yield from join_basins(plan, files, offsets, joining)
    else:
        yield from _join_components(plan, files, offsets, joining)
    roots = joining.roots()
    anchors, voxels = _columns(plan, files, offsets)
    numbered = number_objects(roots, anchors, voxels, plan.least)
    files.save_numbers(
        {"ids": numbered.ids, "offsets": offsets, "spans": _spans(numbered.ids, offsets)}
    )
    seams, merged = _across(plan, files, numbered, offsets)
    cut, doubtful = _decided(merging, numbered.ids, files)
    found = Joined(numbered.objects, numbered.removed, len(roots), seams, merged, cut, doubtful)
    put(files.folder / _DONE, json.dumps(asdict(found)).encode())
    return found


def _join_components(
    plan: ObjectsPlan, files: Files, offsets: NDArray[np.int64], joining: Joining
) -> Run[None]:
    for number in range(plan.blocks):
        yield Progress("join", number, plan.blocks)
        for pairs in _pairs(plan, files, number, offsets):
            joining.join(pairs)


def _across(
    plan: ObjectsPlan, files: Files, numbered: Numbered, offsets: NDArray[np.int64]
) -> tuple[int, int]:
    """Count the objects that touch a seam, and those that lie in several blocks."""
    on_seam, blocks = np.zeros((2, numbered.objects + 1), np.int32)
    for number in range(plan.blocks):
        mine = numbered.ids[offsets[number] : offsets[number + 1]]
        blocks[np.unique(mine)] += 1
        on_seam[mine[_at_seams(plan, files, number) - 1]] = 1
    return int(np.count_nonzero(on_seam[1:])), int(np.count_nonzero(blocks[1:] > 1))


def _decided(merging: Merging | None, ids: NDArray[np.uint64], files: Files) -> tuple[int, int]:
    """Count necks that were cut, and doubtful ones, which are kept for their table."""
    if merging is None:
        return 0, 0
    doubtful = DoubtfulNecks.of(merging.doubtful, ids)
    doubtful.save(files)
    both = ids[merging.necks.saddles.pairs[merging.necks.cut]]
    return int(np.count_nonzero((both > 0).all(axis=1))), len(doubtful)


def _offsets(plan: ObjectsPlan, files: Files) -> Run[NDArray[np.int64]]:
    counts = np.zeros(plan.blocks + 1, np.int64)
    for number in range(plan.blocks):
        yield Progress("count", number, plan.blocks)
        counts[number + 1] = len(files.column(number, "voxels"))
    return np.cumsum(counts)


def _pairs(
    plan: ObjectsPlan, files: Files, number: int, offsets: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Fragments of a block that touch those of a later one, in numbers of all blocks."""
    if offsets[number] == offsets[number + 1]:
        return
    dims, connectivity = plan.labels.dims, plan.config.connectivity
    with files.opened(number) as kept:
        near, classes = Faces(kept, dims), kept["classes"]
        for step in seam_steps(dims, connectivity):
            other = plan.neighbour(number, step)
            if other is None or offsets[other] == offsets[other + 1]:
                continue
            back = tuple(-s for s in step)
            with files.opened(other) as kept_there:
                far, both = Faces(kept_there, dims), (classes, kept_there["classes"])
                found = contacts(near.toward(step), far.toward(back), both, connectivity)
            yield found - 1 + np.array([offsets[number], offsets[other]])


def _at_seams(plan: ObjectsPlan, files: Files, number: int) -> NDArray[np.int64]:
    """Fragments of a block with a voxel at a face behind which there is another block."""
    dims = plan.labels.dims
    steps = [
        tuple(sign * (a == axis) for a in range(dims))
        for axis, sign in product(range(dims), (-1, 1))
    ]
    inner = [step for step in steps if plan.neighbour(number, step) is not None]
    with files.opened(number) as kept:
        found = [Faces(kept, dims).present(step) for step in inner]
    return np.concatenate([np.zeros(0, np.int64), *found]).astype(np.int64)


def _columns(
    plan: ObjectsPlan, files: Files, offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    anchors, voxels = (np.zeros(int(offsets[-1]), np.int64) for _ in range(2))
    for number in range(plan.blocks):
        rows = slice(int(offsets[number]), int(offsets[number + 1]))
        anchors[rows] = files.column(number, "anchors")
        voxels[rows] = files.column(number, "voxels")
    return anchors, voxels


def _spans(ids: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Smallest and largest final number in each block; 1 and 0 where there is none."""
    return np.array([_span(ids[a:b]) for a, b in pairwise(offsets)], np.int64).reshape(-1, 2)


def _span(ids: NDArray[Any]) -> tuple[int, int]:
    kept = ids[ids > 0]
    return (int(kept.min()), int(kept.max())) if len(kept) else (1, 0)
