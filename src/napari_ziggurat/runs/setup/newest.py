"""Newest labels: what has been labelled since the parent was trained, and what was there before."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, UNLABELLED
from napari_ziggurat.geometry import BlockGrid, Box
from napari_ziggurat.images import Image
from napari_ziggurat.images.annotation_store import AnnotationStore
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.networks import TrainedOn
from napari_ziggurat.progress import Run
from napari_ziggurat.training.replay import Positions
from napari_ziggurat.training.volumes import FoundLabels, LabelledVolume, label_positions

__all__ = ["count_strokes", "divide_labels", "last_stroke"]

_SIDE = 256  # of what is read at once of a large stroke


def last_stroke(labels: Image) -> int | None:
    """Give the number of the last stroke of an annotation, 0 before the first; None for others."""
    if not isinstance(labels.source, Path) or not is_annotation(labels.source):
        return None
    return max((each.number for each in AnnotationStore.open(labels.source).history()), default=0)


def count_strokes(labels: Image, last: int | None) -> dict[str, Any]:
    """Count the strokes of an annotation up to one, as `TrainedOn` keeps it; nothing for others."""
    if last is None or not isinstance(labels.source, Path):
        return {}
    painted, complete = Counter[int](), 0
    for record in AnnotationStore.open(labels.source).history():
        if record.number <= last:
            painted.update(v % EXPLICIT_BACKGROUND for v in record.painted if v != UNLABELLED)
            complete += record.kind == "complete"
    return {"painted": dict(sorted(painted.items())), "complete": complete}


def divide_labels(
    volume: LabelledVolume, found: FoundLabels, number: int, before: TrainedOn | None
) -> Run[tuple[Positions, Positions]]:
    """Divide the labels of a volume into those since a round and those that it learned from.

    The strokes of an annotation are told by its history: what lies in the boxes of those since
    counts as new. Of other labels all are new where one has changed.

    Parameters
    ----------
    volume, found : LabelledVolume, FoundLabels
        A volume, and the labels in it.
    number : int
        Of the volume.
    before : TrainedOn or None
        What the last round that learned from it recorded; None where all is new.
    """
    everything, nothing = Positions.of(found, number), Positions()
    if before is None:
        return everything, nothing
    if before.strokes is None or not isinstance(volume.labels.source, Path):
        return everything, nothing
    boxes = list(_since(volume, volume.labels.source, before.strokes))
    if not boxes:
        return nothing, everything
    newest = yield from label_positions(volume, within=_pieces(boxes))
    outside = {v: ~_inside(rows[:, 1:], boxes) for v, rows in everything.rows.items()}
    return Positions.of(newest, number), everything.where(outside)


def _since(volume: LabelledVolume, store: Path, strokes: int) -> Iterator[Box]:
    """Give boxes, none of which overlap, of what was painted since a stroke."""
    whole, disjoint = Box.whole(volume.shape), list[Box]()
    for record in AnnotationStore.open(store).history():
        box = record.box
        if box.ndim > whole.ndim:  # time comes first
            if not box.start[0] <= volume.time < box.stop[0]:
                continue
            box = Box(box.start[1:], box.stop[1:])
        if record.number > strokes and record.changed and box.size:
            disjoint = _joined(disjoint, box)
    yield from disjoint


def _joined(disjoint: Sequence[Box], box: Box) -> list[Box]:
    """Add a box; those that it overlaps become one with it."""
    apart = []
    for each in disjoint:
        if _touch(each, box):
            start, stop = map(min, each.start, box.start), map(max, each.stop, box.stop)
            box = Box(tuple(start), tuple(stop))
        else:
            apart.append(each)
    grown = len(apart) < len(disjoint)
    return _joined(apart, box) if grown else [*apart, box]


def _touch(one: Box, other: Box) -> bool:
    sides = zip(one.start, one.stop, other.start, other.stop, strict=True)
    return all(a < d and c < b for a, b, c, d in sides)


def _pieces(boxes: Iterable[Box]) -> Iterator[Box]:
    for box in boxes:
        for block in BlockGrid(box, tuple(min(n, _SIDE) for n in box.shape)):
            yield block.write_box


def _inside(rows: NDArray[np.int64], boxes: Sequence[Box]) -> NDArray[np.bool_]:
    inside = np.zeros(len(rows), bool)
    for box in boxes:
        inside |= ((rows >= box.start) & (rows < box.stop)).all(axis=1)
    return inside
