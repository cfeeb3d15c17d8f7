"""Thumbnails: one object of the truth with its outline and those of what was predicted there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, Source, open_image
from napari_ziggurat.runs.evaluate.compare import FileScore
from napari_ziggurat.runs.evaluate.opened import Labels, Opened, level_like

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Panel

__all__ = ["PREDICTED", "TRUE", "Place", "Thumbnail", "draw_thumbnail", "find_worst", "look"]

TRUE, PREDICTED = "#66ccee", "#ee6677"
_MOST_OUTLINES = 40
_LEAST_SIDE = 24  # voxels


@dataclass(frozen=True)
class Place:
    """Where an object of the truth is.

    Attributes
    ----------
    file : int
        Which of the files.
    time : int
        Time point.
    value : int
        Its class.
    box : Box
        Voxels that hold it.
    iou : float
        Best IoU with a predicted object.
    """

    file: int
    time: int
    value: int
    box: Box
    iou: float


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A plane through an object.

    Attributes
    ----------
    title : str
        What is written above it.
    grey : ndarray, (Y, X), or None
        The image there.
    truth, prediction : ndarray of integers, (Y, X)
        Labels whose outlines are drawn.
    """

    title: str
    grey: NDArray[Any] | None
    truth: Labels
    prediction: Labels


def find_worst(files: Sequence[FileScore], values: Sequence[int], count: int) -> list[Place]:
    """Find the objects of the truth that were found worst; of equal ones the largest first."""
    rows: list[tuple[float, float, Place]] = []
    for i, file in enumerate(files):
        for time, each in zip(file.times, file.comparisons, strict=True):
            if each.value not in values or each.boxes is None:
                continue
            matching = each.matching
            order = np.lexsort((-matching.truth.voxels, matching.best_iou))[:count]
            for k in order.tolist():
                box = each.boxes.box(int(matching.truth.ids[k]))
                iou, size = float(matching.best_iou[k]), float(each.truth_sizes[k])
                if box is not None:
                    rows.append((iou, -size, Place(i, time, each.value, box, iou)))
    rows.sort(key=lambda row: row[:2])
    return [place for _, _, place in rows[:count]]


def look(place: Place, opened: Opened, image: Source | None) -> Thumbnail:
    """Read the plane through the middle of an object, with some room around it."""
    box = _plane(place.box, opened.shape)
    labels = (opened.read_truth(box, place.time), opened.read_prediction(box, place.time))
    kinds = (opened.kinds.truth, opened.kinds.prediction)
    truth, prediction = (
        _flat(each if kind == "ids" else opened.classes(each, opened.truth.name) == place.value)
        for each, kind in zip(labels, kinds, strict=True)
    )
    grey = None if image is None else _grey(open_image(image), opened, box, place.time)
    return Thumbnail(f"IoU {place.iou:.2f}", grey, truth, prediction)


def draw_thumbnail(panel: "Panel", thumbnail: Thumbnail) -> None:
    """Draw it into a panel without axes."""
    shape = thumbnail.truth.shape
    if thumbnail.grey is not None:
        low, high = np.percentile(thumbnail.grey, [0.5, 99.5])
        panel.imshow(thumbnail.grey, cmap="gray", vmin=low, vmax=max(high, low + 1e-9))
    else:
        panel.imshow(np.zeros(shape), cmap="gray", vmin=0, vmax=1)
    _outline(panel, thumbnail.truth, TRUE)
    _outline(panel, thumbnail.prediction, PREDICTED)
    panel.set_title(thumbnail.title, color="#eef1f6", fontsize=8)


def _flat(labels: NDArray[Any]) -> Labels:
    """Give a plane (Y, X); of pieces of a class all together, as they were before they had ids."""
    plane: Labels = labels.astype(np.uint8) if labels.dtype == np.bool_ else labels
    return plane[0] if plane.ndim == 3 else plane


def _plane(box: Box, shape: Sequence[int]) -> Box:
    """Widen a box to a square with room around it; one section of a volume."""
    side = max(_LEAST_SIDE, int(1.6 * max(box.shape[-2:])))
    start, stop = [], []
    for axis, (a, b) in enumerate(zip(box.start, box.stop, strict=True)):
        middle = (a + b) // 2
        flat = len(shape) == 3 and axis == 0
        start.append(middle if flat else middle - side // 2)
        stop.append(middle + 1 if flat else middle + side - side // 2)
    return Box(tuple(start), tuple(stop)).intersect(Box.whole(shape))


def _grey(image: Image, opened: Opened, box: Box, time: int) -> NDArray[Any]:
    """Mean over the channels."""
    read = image.read(level_like(image, opened.prediction), box, time)
    grey: NDArray[Any] = read.astype(np.float32).mean(axis=0)
    return grey[0] if grey.ndim == 3 else grey


def _outline(panel: "Panel", labels: Labels, colour: str) -> None:
    for value in np.unique(labels)[:_MOST_OUTLINES].tolist():
        inside = labels == value
        if value and min(inside.shape) > 1 and not inside.all():
            panel.contour(inside, [0.5], colors=colour, linewidths=1.1)
