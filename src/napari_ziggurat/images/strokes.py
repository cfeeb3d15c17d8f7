"""Brush strokes as a person paints them, drawn from a known truth: short, curved, in a few planes.

They stand in for a person wherever the truth is known: in the demo, in tests and in benchmarks.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, MAX_CLASS
from napari_ziggurat.errors import InputError

__all__ = ["draw_strokes"]

_LENGTH = (12, 48)  # pixels along the stroke
_BEND = 0.06  # largest turn per pixel, radians
_BRUSHES = (1.3, 1.8, 2.3)  # radii, pixels: 3 to 5 wide
_NEAR = 6  # pixels: half of the background strokes start this close to an object
_EVENNESS = 2 / 3  # 0 would give all classes the same, 1 each its part of the area
_PART = 3  # nobody paints more than one third of a class in a plane

Labels = NDArray[np.integer]
Plane = NDArray[np.bool_]
Pixels = NDArray[np.int64]


def draw_strokes(
    labels: Labels, fraction: float = 0.01, seed: int = 0, planes: int = 8
) -> NDArray[np.uint8]:
    """Paint brush strokes on a part of the voxels, each inside one class.

    Parameters
    ----------
    labels : ndarray of integers, ((Z), Y, X)
        The truth, 0 is background.
    fraction : float
        Part of all voxels that may be painted, at most.
    seed : int
        Another seed, another hand.
    planes : int
        In how many planes a volume is painted; more only if these do not show every class.

    Returns
    -------
    ndarray of uint8, ((Z), Y, X)
        Annotation: 0 unlabelled, 1..254 the class painted, 255 explicit background.

    Raises
    ------
    InputError
        Labels above 254, a fraction outside 0..1, no plane at all, or labels neither 2D nor 3D.
    """
    _check(labels, fraction, planes)
    rng = np.random.default_rng(seed)
    volume = labels[None] if labels.ndim == 2 else labels
    painted = np.zeros(volume.shape, np.uint8)
    chosen = _choose_planes(volume, min(planes, len(volume)), rng)
    for z, value, quota in _quotas(volume[chosen], int(fraction * labels.size)):
        paint = EXPLICIT_BACKGROUND if value == 0 else value
        plane = int(chosen[z])
        painted[plane][_paint(volume[plane], value, quota, rng)] = paint
    return painted.reshape(labels.shape)


def _check(labels: Labels, fraction: float, planes: int) -> None:
    if labels.ndim not in (2, 3):
        raise InputError(f"Strokes need labels in 2D or 3D, ((Z), Y, X); got shape {labels.shape}.")
    if labels.size and not 0 <= labels.min() <= labels.max() <= MAX_CLASS:
        raise InputError(
            f"Strokes need class values from 0 to {MAX_CLASS}; the labels run from {labels.min()} "
            f"to {labels.max()}. Number the classes anew."
        )
    if not 0 < fraction <= 1 or planes < 1:
        raise InputError(
            f"Strokes need a fraction above 0 and at most 1, and at least one plane; "
            f"got {fraction} and {planes}."
        )


def _choose_planes(volume: Labels, count: int, rng: np.random.Generator) -> Pixels:
    """Spread planes over the volume, where there is something to see; no class is left out."""
    areas = np.stack([np.bincount(p.ravel(), minlength=MAX_CLASS + 1) for p in volume])
    bounds = np.linspace(0, len(volume), count + 1).astype(int)
    chosen = [_best_of_three(areas, *ends, rng) for ends in itertools.pairwise(bounds.tolist())]
    for value in np.flatnonzero(areas.any(0)):
        if not areas[chosen, value].any():
            chosen.append(int(areas[:, value].argmax()))
    return np.unique(chosen)


def _best_of_three(areas: Pixels, start: int, stop: int, rng: np.random.Generator) -> int:
    candidates = rng.integers(start, stop, 3)
    return int(candidates[np.sqrt(areas[candidates]).sum(1).argmax()])


def _quotas(planes: Labels, budget: int) -> Iterator[tuple[int, int, int]]:
    """Share pixels out over planes and classes, rare ones favoured: (plane, class, pixels)."""
    areas = np.stack([np.bincount(p.ravel(), minlength=MAX_CLASS + 1) for p in planes])
    totals = areas.sum(0)
    weights = totals**_EVENNESS
    for z, value in np.argwhere(areas):
        share = weights[value] / weights.sum() * areas[z, value] / totals[value]
        yield int(z), int(value), int(min(budget * share, areas[z, value] / _PART))


def _paint(labels: Labels, value: int, quota: int, rng: np.random.Generator) -> Plane:
    """Stroke after stroke in one class of one plane, until ``quota`` pixels are painted."""
    inside = labels == value
    starts = _starts(labels, value)
    painted = np.zeros(labels.shape, np.bool_)
    left = quota
    for _ in range(4 * quota):
        if left <= 0:
            break
        where = starts[int(rng.integers(len(starts)))]
        start = where[rng.integers(len(where))]
        pixels = _stroke(inside & ~painted, start, rng)[:left]
        painted[tuple(pixels.T)] = True
        left -= len(pixels)
    return painted


def _starts(labels: Labels, value: int) -> Sequence[Pixels]:
    """Where strokes may begin: anywhere; background, as often, also next to objects."""
    everywhere = np.argwhere(labels == value)
    if value != 0 or not labels.any():
        return [everywhere]
    near = np.argwhere((ndimage.distance_transform_cdt(labels == 0) <= _NEAR) & (labels == 0))
    return [everywhere, near]


def _stroke(free: Plane, start: Pixels, rng: np.random.Generator) -> Pixels:
    """Pixels (N, 2) of one stroke, in the order in which the brush reaches them."""
    path = _arc(start, rng)
    path = path[_on(free, path).cumprod(dtype=bool)]
    tip = _brush(float(rng.choice(_BRUSHES)))
    pixels = (path[:, None] + tip).reshape(-1, 2)
    pixels = pixels[_on(free, pixels)]
    _, first = np.unique(pixels @ (free.shape[1], 1), return_index=True)
    in_order: Pixels = pixels[np.sort(first)]
    return in_order


def _arc(start: Pixels, rng: np.random.Generator) -> Pixels:
    """Part of a circle: pixels (N, 2) from ``start`` on."""
    length = int(rng.integers(*_LENGTH))
    angle = rng.uniform(0, 2 * np.pi) + rng.uniform(-_BEND, _BEND) * np.arange(length)
    steps = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    path: Pixels = np.rint(start + np.cumsum(steps, axis=0) - steps[0]).astype(np.int64)
    return path


def _on(free: Plane, pixels: Pixels) -> Plane:
    """Tell which pixels lie in the plane and are free."""
    y, x = pixels.T
    height, width = free.shape
    found: Plane = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    found[found] = free[y[found], x[found]]
    return found


def _brush(radius: float) -> Pixels:
    """Offsets (N, 2) of a round brush."""
    reach = np.arange(-int(radius), int(radius) + 1)
    offsets = np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)
    disc: Pixels = offsets[(offsets**2).sum(1) <= radius**2]
    return disc
