"""Holdout: a part of the labels is kept out of training, by place, to score on."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.networks.intensity import Intensity
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.volumes import LabelledVolume

__all__ = ["Holdout", "hold_out"]

_SHARE = 0.2  # of the labels
_LARGER = (0.3, 0.4)  # where that much has more classes on both sides
_WHOLE_FROM = 5  # images: from so many on, whole images are held out
_DRAWS = 20
_MOST_PATCHES = 64  # that are scored where labels are sparse


@dataclass(frozen=True)
class Holdout:
    """What is trained on and what is scored, without a voxel in common.

    Attributes
    ----------
    sampler : Sampler
        Draws from the rest.
    volumes, intensities : sequence of LabelledVolume, Intensity
        What is held out.
    classes : set of int
        Class values that are both learned and scored; 0 may be among them.
    words : str
        What is held out, in words.
    digest : str
        SHA-256 of the labels that are scored where they are not among those of the sampler.
    """

    sampler: Sampler
    volumes: Sequence[LabelledVolume]
    intensities: Sequence[Intensity]
    classes: frozenset[int]
    words: str
    digest: str = ""


def hold_out(sampler: Sampler, seed: int) -> Holdout:
    """Keep about a fifth of the labels out: whole images, or an end of each where there are few.

    Time points of one image count as one, since they resemble each other.

    Parameters
    ----------
    sampler : Sampler
        Draws from everything.
    seed : int
        Decides which images, or which end where several suit.

    Raises
    ------
    InputError
        The labels are too few, or too close together, to be divided.
    """
    rng = np.random.default_rng(seed)
    images = list({id(v.image): v.image for v in sampler.volumes}.values())
    numbers = [[n for n, v in enumerate(sampler.volumes) if v.image is each] for each in images]
    if len(images) >= _WHOLE_FROM:
        chosen = _choose_images(sampler, numbers, rng)
        ours, theirs = _divided(sampler, chosen)
        words = f"{round(_SHARE * len(images))} of the {len(images)} images are held out"
    else:
        ours, theirs = _cut(sampler, numbers, rng)
        words = "an end of each image is held out"
    classes = _shared_classes(sampler, ours, theirs)
    scored = [(n, box) for n, whole in theirs.items() for box in _patches(sampler, n, whole)]
    return Holdout(
        _restricted(sampler, ours),
        [sampler.volumes[number].part(box) for number, box in _spread(scored)],
        [sampler.intensities[number] for number, _ in _spread(scored)],
        classes,
        f"{words}: {_share(sampler, theirs):.0%} of the labels{_lost(sampler, classes)}",
    )


Places = dict[int, Box]
"""Box of each volume, by its number."""


def _choose_images(
    sampler: Sampler, numbers: Sequence[Sequence[int]], rng: np.random.Generator
) -> set[int]:
    """Draw images a few times; take the first draw that leaves most classes in both parts."""
    count = round(_SHARE * len(numbers))
    draws = [rng.permutation(len(numbers))[:count] for _ in range(_DRAWS)]
    chosen = [{n for image in draw for n in numbers[image]} for draw in draws]
    return max(chosen, key=lambda each: _both(sampler, *_divided(sampler, each)))


def _divided(sampler: Sampler, chosen: set[int]) -> tuple[Places, Places]:
    whole = {n: Box.whole(volume.shape) for n, volume in enumerate(sampler.volumes)}
    rest = {n: box for n, box in whole.items() if n not in chosen}
    return rest, {n: box for n, box in whole.items() if n in chosen}


def _cut(
    sampler: Sampler, numbers: Sequence[Sequence[int]], rng: np.random.Generator
) -> tuple[Places, Places]:
    """Cut an end off each image where that leaves labels on both sides; keep the others whole."""
    ours: Places = {}
    theirs: Places = {}
    for image in numbers:
        shape = sampler.volumes[image[0]].shape
        cuts = list(_cuts(shape, np.concatenate([_rows(sampler, n) for n in image])))
        best = max(
            (cuts[i] for i in rng.permutation(len(cuts))),
            default=None,
            key=lambda cut: _quality(sampler, image, cut),
        )
        for number in image:
            ours[number] = best[0] if best else Box.whole(shape)
            if best:
                theirs[number] = best[1]
    return ours, theirs


def _cuts(shape: tuple[int, ...], rows: NDArray[np.int64]) -> Iterator[tuple[Box, Box]]:
    """Divide a volume along each axis, at either end: the rest, and a fifth of the labels or so."""
    whole = Box.whole(shape)
    parts = [part for share in (_SHARE, *_LARGER) for part in (share, 1 - share)]
    for axis, part in itertools.product(range(len(shape)), parts if len(rows) else ()):
        at = int(np.quantile(rows[:, axis], part, method="lower")) + 1
        if at < shape[axis]:
            low = replace(whole, stop=(*shape[:axis], at, *shape[axis + 1 :]))
            high = replace(whole, start=(0,) * axis + (at,) + (0,) * (len(shape) - axis - 1))
            yield (high, low) if part < 0.5 else (low, high)


def _quality(
    sampler: Sampler, numbers: Sequence[int], cut: tuple[Box, Box]
) -> tuple[tuple[int, int], float, float]:
    """Classes in both parts; then few labels held out; then how much of a patch they can fill."""
    ours, theirs = (dict.fromkeys(numbers, part) for part in cut)
    kept, lost = _share(sampler, ours), _share(sampler, theirs)
    held = zip(cut[1].shape, sampler.patch, strict=True)
    filled = min(1.0, *(n / p for n, p in held))
    return _both(sampler, ours, theirs), -round(lost / (kept + lost), 1), filled


def _both(sampler: Sampler, ours: Places, theirs: Places) -> tuple[int, int]:
    """Count classes that are in both parts, and those that are learned."""
    learned, scored = _classes(sampler, ours), _classes(sampler, theirs)
    return len(learned & scored), len(learned)


def _shared_classes(sampler: Sampler, ours: Places, theirs: Places) -> frozenset[int]:
    """Values of the classes in both parts; refuse parts in which nothing can be told apart."""
    both = _classes(sampler, ours) & _classes(sampler, theirs)
    if len(both) < 2:
        raise InputError(
            "A part of the labels is held out to score on, and both parts need voxels of two "
            "classes; these labels are too few or too close together. Label another place, or "
            "give --val-image and --val-labels."
        )
    return frozenset(sampler.volumes[0].code.values[each - 1] for each in both)


def _classes(sampler: Sampler, places: Places) -> set[int]:
    return {
        value
        for value, rows in sampler.index.positions.items()
        if any(_inside(rows, places, number).any() for number in places)
    }


def _inside(rows: NDArray[np.int64], places: Places, number: int) -> NDArray[np.bool_]:
    box = places[number]
    inside = (rows[:, 1:] >= box.start) & (rows[:, 1:] < box.stop)
    found: NDArray[np.bool_] = inside.all(axis=1) & (rows[:, 0] == number)
    return found


def _rows(sampler: Sampler, number: int, box: Box | None = None) -> NDArray[np.int64]:
    """Positions of labels in a volume (n, dims), or in a box of it."""
    places = {number: box or Box.whole(sampler.volumes[number].shape)}
    all_rows = sampler.index.positions.values()
    return np.concatenate([rows[_inside(rows, places, number), 1:] for rows in all_rows])


def _lost(sampler: Sampler, classes: frozenset[int]) -> str:
    """Name the classes that cannot be scored."""
    values = sampler.volumes[0].code.values
    lost = {values[each - 1] for each in sampler.index.positions} - classes
    named = ", ".join(map(str, sorted(lost)))
    return f"; classes on one side only, which are not scored: {named}" if lost else ""


def _share(sampler: Sampler, places: Places) -> float:
    found = sum(len(_rows(sampler, n, box)) for n, box in places.items())
    return found / sum(map(len, sampler.index.positions.values()))


def _restricted(sampler: Sampler, places: Places) -> Sampler:
    """Give a sampler that draws within these boxes only."""
    kept = {}
    for value, rows in sampler.index.positions.items():
        parts = [
            np.insert(rows[_inside(rows, places, n), 1:] - box.start, 0, order, axis=1)
            for order, (n, box) in enumerate(places.items())
        ]
        if any(map(len, parts)):
            kept[value] = np.concatenate(parts)
    total = sum(sampler.index.shares[value] for value in kept)
    return replace(
        sampler,
        volumes=[sampler.volumes[n].part(box) for n, box in places.items()],
        intensities=[sampler.intensities[n] for n in places],
        index=LabelIndex(kept, {v: sampler.index.shares[v] / total for v in kept}),
    )


def _patches(sampler: Sampler, number: int, box: Box) -> list[Box]:
    """Give the box itself where labels are dense, and else the patches of it that hold some."""
    if sampler.volumes[number].code.dense:
        return [box]
    places = (_rows(sampler, number, box) - box.start) // sampler.patch
    starts = np.unique(places, axis=0) * sampler.patch + box.start
    stops = starts + sampler.patch
    return [
        Box(tuple(a), tuple(b)).intersect(box)
        for a, b in zip(starts.tolist(), stops.tolist(), strict=True)
    ]


def _spread(boxes: Sequence[tuple[int, Box]]) -> Sequence[tuple[int, Box]]:
    """Thin out evenly."""
    return boxes[:: -(-len(boxes) // _MOST_PATCHES)]
