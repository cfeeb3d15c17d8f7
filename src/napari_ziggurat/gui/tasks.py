"""Tasks: what the dock does in threads, as generators of Progress. No Qt, no napari, no layers.

What they need is imported when they run: torch must not be loaded while the window waits.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import BlockGrid, Box
from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari_ziggurat.images import Image
    from napari_ziggurat.runs.config import SegmentConfig
    from napari_ziggurat.runs.doctor import Report

__all__ = ["Piece", "ViewRequest", "examine_machine", "segment_arrays", "segment_view"]

_MOST = 2**24  # voxels of a view: more takes minutes, and the canvas has fewer pixels
_TILE = 256  # side of the boxes that a view is computed in; after each it can be cancelled


@dataclass(frozen=True)
class ViewRequest:
    """What to segment: a box in voxels of level 0, ((Z), Y, X), at one time."""

    image: "Image"
    model: Path
    box: Box
    time: int


@dataclass(frozen=True)
class Piece:
    """Labels of a box, in voxels of a level."""

    labels: NDArray[Any]
    level: int
    box: Box
    time: int


def segment_view(request: ViewRequest) -> Generator[Progress, None, Piece]:
    """Segment what is visible; the generator gives back a `Piece`."""
    yield Progress("load model")
    from napari_ziggurat.networks import load_model, read_spec
    from napari_ziggurat.runs.segment import choose_level, predict_box

    level = choose_level(request.image, read_spec(request.model))
    box = _at_level(request.image, level, request.box)
    _check_size(box, level)
    labels = np.zeros(box.shape, np.uint8)
    tiles = _tiles(box)
    for done, tile in enumerate(tiles):
        yield Progress("segment view", done, len(tiles))
        model = load_model(request.model)  # a network is used up by each prediction
        part = predict_box(request.image, model, level=level, box=tile, time=request.time)
        labels[tile.relative_to(box.start).slices] = part
    yield Progress("segment view", len(tiles), len(tiles))
    return Piece(labels, level, box, request.time)


def segment_arrays(image: "Image", config: "SegmentConfig") -> Generator[Progress, None, None]:
    """Segment an image that no other process can read, as the command line would."""
    yield Progress("load model")
    from napari_ziggurat.networks import load_model
    from napari_ziggurat.runs.options import SegmentOptions
    from napari_ziggurat.runs.segment import segment_image

    options = SegmentOptions.from_config(config)
    yield from segment_image(image, load_model(config.model), options, config.out)


def examine_machine() -> Generator[Progress, None, "Report"]:
    """Look for devices; the generator gives back a `Report`. Loads torch."""
    yield Progress("look for devices")
    from napari_ziggurat.runs.doctor import examine

    return examine()


def _at_level(image: "Image", level: int, box: Box) -> Box:
    """Voxels of a level that cover a box of level 0."""
    (finest, wanted) = (image.levels[0], image.levels[level])
    ratio = np.array(wanted.spacing.values) / np.array(finest.spacing.values)
    last = np.array(wanted.shape) - 1
    start = np.minimum(np.floor(np.array(box.start) / ratio).astype(int), last)
    stop = np.clip(np.ceil(np.array(box.stop) / ratio).astype(int), start + 1, last + 1)
    return Box(tuple(start.tolist()), tuple(stop.tolist()))


def _tiles(box: Box) -> list[Box]:
    """Cut a box along lines that lie at multiples of the tile, as the cells of a network do."""
    start = tuple(a - a % _TILE for a in box.start)
    grid = BlockGrid(Box(start, box.stop), (_TILE,) * box.ndim)
    return [tile.write_box.intersect(box) for tile in grid]


def _check_size(box: Box, level: int) -> None:
    if box.size > _MOST:
        shape = " × ".join(map(str, box.shape))
        raise InputError(
            f"The view shows {shape} voxels of level {level}; up to {_MOST:,} can be segmented at "
            "once. Zoom in, or segment the whole image."
        )
