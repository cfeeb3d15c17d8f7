"""Gate fit: what a model's probabilities at coarser levels tell of foreground at its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.gate import GateCounts
from napari_ziggurat.geometry import Box
from napari_ziggurat.networks import GateLevel, ModelSpec
from napari_ziggurat.runs.output.coarse_probabilities import CoarseProbabilities

__all__ = ["SegmentedLevels", "fit_gates"]


@dataclass(frozen=True)
class SegmentedLevels:
    """An image that was segmented at several levels.

    Attributes
    ----------
    levels : tuple of CoarseProbabilities
        On the grid of the finest, which comes first.
    boxes : sequence of Box
        Voxels of the finest level that are looked at, one box after the other.
    time : int
        Time point.
    """

    levels: tuple[CoarseProbabilities, ...]
    boxes: Sequence[Box]
    time: int = 0


def fit_gates(images: Sequence[SegmentedLevels], spec: ModelSpec) -> tuple[GateLevel, ...]:
    """Learn for each coarser level what keeps the foreground that the finest one finds.

    Parameters
    ----------
    images : sequence of SegmentedLevels
        Best such that the model was not trained on; their levels are as many and as large.
    spec : ModelSpec
        The model; gates belong into its field ``gate``.

    Returns
    -------
    tuple of GateLevel
        Finest first; none where no foreground was found.
    """
    background = [c.value for c in spec.classes].index(0)
    numbers = range(1, len(images[0].levels))
    return tuple(gate for n in numbers for gate in _fitted(images, n, background, spec))


def _fitted(
    images: Sequence[SegmentedLevels], number: int, background: int, spec: ModelSpec
) -> Iterator[GateLevel]:
    upsampling = images[0].levels[number].upsampling
    counts = [_counted(image, number, background) for image in images]
    try:
        fit = sum(counts[1:], counts[0]).fit()
    except InputError:
        return  # nothing was found, so nothing is known of where it would be
    spacing = tuple(s / step for s, step in zip(spec.spacing, upsampling.step, strict=True))
    yield GateLevel(
        spacing=spacing, radius=fit.radius, thresholds=fit.thresholds,
        foreground=fit.foreground, kept=fit.kept,
    )  # fmt: skip


def _counted(image: SegmentedLevels, number: int, background: int) -> GateCounts:
    """Count one image; what is not in the region of its coarse level is no foreground."""
    coarse, time = image.levels[number], image.time
    counts = GateCounts(coarse.upsampling)
    for box in image.boxes:
        foreground = image.levels[0].read(box, time).argmax(axis=0) != background
        needed = counts.needs(box)
        there = needed.intersect(coarse.region)
        crop = np.zeros(needed.shape, np.float32)
        crop[there.relative_to(needed.start).slices] = 1 - coarse.stored(there, time)[background]
        counts.add(crop, foreground, box.start)
    return counts
