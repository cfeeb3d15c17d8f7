"""Placing: where a layer goes whose voxels are those of one level of an image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_ziggurat.gui.layers import Placement

if TYPE_CHECKING:
    from napari_ziggurat.images import Image

__all__ = ["level_place"]


def level_place(
    image: "Image", axes: str, placement: Placement, index: int, start: Sequence[float]
) -> dict[str, Any]:
    """Place a layer whose voxel 0 is the voxel ``start`` of a level.

    Parameters
    ----------
    image : Image
        Has the level.
    axes : str
        Axes of the layer that shows the image.
    placement : Placement
        Where that layer lies.
    index : int
        Level.
    start : sequence of float
        One voxel index per axis of the layer.

    Returns
    -------
    dict
        Keyword arguments for the new layer.
    """
    spatial = image.axes.spatial
    (finest, level) = (image.levels[0], image.levels[index])
    size = finest.spacing.values
    factors = dict.fromkeys(axes, 1.0)
    coarser = (a / b for a, b in zip(level.spacing.values, size, strict=True))
    factors |= dict(zip(spatial, coarser, strict=True))
    moved = zip(level.translation, finest.translation, size, strict=True)
    shift = dict(zip(spatial, ((a - b) / s for a, b, s in moved), strict=True))
    offset = [
        shift.get(letter, 0.0) + first * factors[letter]
        for letter, first in zip(axes, start, strict=True)
    ]
    return placement.part(offset, [factors[letter] for letter in axes])
