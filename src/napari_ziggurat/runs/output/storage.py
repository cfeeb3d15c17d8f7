"""Storage: the grids of what a segmentation writes."""

import numpy as np

from napari_ziggurat.geometry import Axes
from napari_ziggurat.images import OutputGrid
from napari_ziggurat.runs.plan.plan import SegmentPlan, output_axes

__all__ = ["output_grid"]


def output_grid(plan: SegmentPlan, channels: int) -> OutputGrid:
    """Give the grid of the labels, or of probabilities where there are channels."""
    level = plan.image.levels[plan.level]
    axes = output_axes(plan.image)
    time = (plan.times,) if axes.has("t") else ()
    one = (1,) * len(time)
    values, offsets = level.spacing.values, level.translation
    names, shapes = axes.names, (plan.region.shape, plan.chunk, plan.shard)
    if channels:
        names = names.replace(plan.image.axes.spatial, "c" + plan.image.axes.spatial)
    lead = [(channels,), (1,), (channels,)] if channels else [(), (), ()]
    shape, chunk, shard = (
        (*(time if i == 0 else one), *lead[i], *spatial) for i, spatial in enumerate(shapes)
    )
    return OutputGrid(
        axes=Axes(names),
        shape=shape,
        dtype=np.dtype(plan.probability_type if channels else np.uint8),
        spacing=level.spacing,
        translation=tuple(
            o + a * v for o, a, v in zip(offsets, plan.region.start, values, strict=True)
        ),
        chunk=chunk,
        shard=shard,
        downsamplings=tuple(each.downsampling for each in plan.levels[1:]),
    )
