"""Apart: whole blocks of labels are kept out of training, far from all that is trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.training.label_sample import LabelSample
from napari_ziggurat.training.replay import Positions
from napari_ziggurat.training.silenced import SilencedVolume
from napari_ziggurat.training.volumes import LabelledVolume

__all__ = ["LEAST", "Apart", "Candidates", "keep_apart"]

LEAST = 50  # labelled voxels of a class from which on its score says something
_SHARE = 0.1  # of the labels that may be held out
_MOST_LOST = 0.5  # of the labels of a class, those too near to a block included
_MOST_LOST_ALL = 0.25  # of all unseen labels
_MOST_CELLS = 200
_MOST_BLOCKS = 16

Place = tuple[int, Box]
"""Number of a volume, and a box of it."""


@dataclass(frozen=True)
class Candidates:
    """Labels of which some may be held out.

    Attributes
    ----------
    shapes : sequence of tuple of int
        Of each volume, ((Z), Y, X).
    images : sequence of int
        Number of the image that each volume is a time point of: a block is held out of all.
    unseen : Positions
        Labels that no network has learned from.
    seen : Positions
        All others.
    fixed : sequence of Place
        Blocks that were held out before and stay so.
    chooses : bool
        Whether further blocks may be held out.
    cell : tuple of int
        Shape of a block.
    margin : tuple of int
        Voxels per axis that labels are apart from a block to be trained on.
    """

    shapes: Sequence[tuple[int, ...]]
    images: Sequence[int]
    unseen: Positions
    seen: Positions
    fixed: Sequence[Place]
    chooses: bool
    cell: tuple[int, ...]
    margin: tuple[int, ...]


@dataclass(frozen=True)
class Apart:
    """What is held out, and what is left to train on.

    Attributes
    ----------
    blocks : tuple of Place
        Held out; none where too little would be left on one side.
    unseen, seen : Positions
        Positions that are trained on.
    near : int
        Blocks next to labels that the parent learned from.
    """

    blocks: tuple[Place, ...]
    unseen: Positions
    seen: Positions
    near: int = 0

    def silence(
        self, volumes: Sequence[LabelledVolume], candidates: Candidates
    ) -> list[LabelledVolume]:
        """Take labels in the blocks, and too near to them, out of volumes."""
        images, margin = candidates.images, candidates.margin
        return [
            SilencedVolume.of(
                volume, [_grown(b, margin) for n, b in self.blocks if images[n] == images[number]]
            )
            for number, volume in enumerate(volumes)
        ]


def keep_apart(candidates: Candidates, seed: int) -> Apart:
    """Choose blocks of unseen labels to hold out, about a tenth of them, of all classes.

    The next block is always the one that shows most for what it costs: its labels and those too
    near to it are not trained on. Of every class half of the labels stay to train on, of the unseen
    ones too, and three quarters of all unseen ones. A block holds no label that a network has seen;
    those that are also far from such labels come first. Nothing is held out where that does not
    give two classes 50 voxels each.

    Parameters
    ----------
    candidates : Candidates
        What may be held out, and what may not.
    seed : int
        Decides between blocks that are alike.
    """
    rng = np.random.default_rng(seed)
    dims = len(candidates.cell)
    sample = LabelSample.of(candidates.unseen, candidates.seen, dims, rng)
    chooser = _Chooser(sample, candidates)
    for place in candidates.fixed:
        chooser.take(place)
    if candidates.chooses:
        chooser.choose(list(_cells(candidates, rng)))
    if not candidates.fixed and len(chooser.scored) < 2:
        return Apart((), candidates.unseen, candidates.seen)
    return Apart(
        tuple(chooser.blocks),
        _far_from(candidates.unseen, chooser.blocks, candidates),
        _far_from(candidates.seen, chooser.blocks, candidates),
        chooser.near,
    )


class _Chooser:
    """Keeps count of what is held out and of what is left to train on."""

    def __init__(self, points: LabelSample, given: Candidates) -> None:
        self._points, self._given = points, given
        self._left = np.ones(len(points.rows), bool)
        self._held = np.zeros(256)
        self._all = points.by_class(self._left)
        self._unseen = points.by_class(points.unseen)
        self.blocks: list[Place] = []
        self.near = 0

    @property
    def scored(self) -> set[int]:
        """Classes of which enough voxels are held out to tell a score."""
        return set(np.flatnonzero(self._held >= LEAST).tolist())

    def take(self, place: Place) -> None:
        """Hold a block out, whatever that leaves."""
        self.blocks.append(place)
        self._held += self._points.by_class(self._inside(place) & self._left)
        self._left &= ~self._around(place)

    def choose(self, cells: Sequence[Place]) -> None:
        """Hold blocks out one by one, as long as it pays."""
        seen = ~self._points.unseen
        free = [c for c in cells if not (self._inside(c) & seen).any()]
        near = {c: bool((self._around(c) & seen).any()) for c in free}
        while free and len(self.blocks) < _MOST_BLOCKS:
            worth = {c: self._worth(c) for c in free}
            free = [c for c in free if worth[c] > 0]  # what is too much now stays so
            if not free:
                return
            best = max(free, key=lambda c: (not near[c], worth[c]))
            free.remove(best)
            if not self._holds_seen(best):
                self.near += near[best]
                self.take(best)

    def _holds_seen(self, place: Place) -> bool:
        """Look at all labels that a network has seen, not at a sample."""
        none, images = (0,) * len(self._given.cell), self._given.images
        return any(_near(r, place, none, images).any() for r in self._given.seen.rows.values())

    def _worth(self, place: Place) -> float:
        """Tell how much a block shows for what it costs; 0 where it must not be taken."""
        points = self._points
        inside = points.by_class(self._inside(place) & self._left)
        lost = self._around(place) & self._left
        new = inside.copy()
        if (self._held + inside).sum() > _SHARE * self._unseen.sum() and self._held.any():
            new[self._held >= LEAST] = 0
        unseen = points.by_class(self._left & ~lost & points.unseen)
        if not (_enough(points.by_class(self._left & ~lost), self._all) and
                _enough(unseen, self._unseen, _MOST_LOST_ALL)):  # fmt: skip
            return 0.0
        gain = (np.log1p(self._held + new) - np.log1p(self._held)).sum()
        return float(gain / max(1.0, points.weights[lost].sum()))

    def _inside(self, place: Place) -> NDArray[np.bool_]:
        return _near(self._points.rows, place, (0,) * len(self._given.cell), self._given.images)

    def _around(self, place: Place) -> NDArray[np.bool_]:
        return _near(self._points.rows, place, self._given.margin, self._given.images)


def _near(
    rows: NDArray[np.int64], place: Place, margin: Sequence[int], images: Sequence[int]
) -> NDArray[np.bool_]:
    """Tell which labels lie in a block or so near to it, at whatever time point."""
    number, box = place
    wide, image = _grown(box, margin), np.asarray(images)
    inside = (rows[:, 1:] >= wide.start) & (rows[:, 1:] < wide.stop)
    found: NDArray[np.bool_] = inside.all(axis=1) & (image[rows[:, 0]] == image[number])
    return found


def _far_from(labels: Positions, blocks: Sequence[Place], given: Candidates) -> Positions:
    """Give the labels that are far from all blocks."""
    masks = {value: np.ones(len(rows), bool) for value, rows in labels.rows.items()}
    for place in blocks:
        for value, rows in labels.rows.items():
            masks[value] &= ~_near(rows, place, given.margin, given.images)
    return labels.where(masks)


def _enough(left: NDArray[np.float64], before: NDArray[np.float64], lost: float = 1.0) -> bool:
    each = (left >= (1 - _MOST_LOST) * before).all()
    return bool(each and left.sum() >= (1 - lost) * before.sum())


def _cells(candidates: Candidates, rng: np.random.Generator) -> Iterator[Place]:
    """Cells of a grid that hold unseen labels, those with most classes first."""
    if not candidates.unseen:
        return
    cell = np.array(candidates.cell)
    values = [np.full(len(rows), v) for v, rows in candidates.unseen.rows.items()]
    rows = np.concatenate(list(candidates.unseen.rows.values()))
    grid = np.column_stack([rows[:, 0], rows[:, 1:] // cell])
    pairs = np.unique(np.column_stack([grid, np.concatenate(values)]), axis=0)
    found, classes = np.unique(pairs[:, :-1], axis=0, return_counts=True)
    order = rng.permutation(len(found))
    order = order[np.argsort(-classes[order], kind="stable")][:_MOST_CELLS]
    for number, *index in found[order].tolist():
        start = np.array(index) * cell
        stop = np.minimum(start + cell, candidates.shapes[number])
        yield number, Box(tuple(start.tolist()), tuple(stop.tolist()))


def _grown(box: Box, margin: Sequence[int]) -> Box:
    return Box(
        tuple(a - m for a, m in zip(box.start, margin, strict=True)),
        tuple(b + m for b, m in zip(box.stop, margin, strict=True)),
    )
