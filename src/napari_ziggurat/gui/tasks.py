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
from napari_ziggurat.geometry import Box
from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari_ziggurat.images import Image
    from napari_ziggurat.runs.config import SegmentConfig
    from napari_ziggurat.runs.doctor import Report
    from napari_ziggurat.runs.session import Session

__all__ = ["Piece", "ViewRequest", "examine_machine", "segment_arrays", "segment_view"]

_MOST = 2**24  # voxels of a view: more takes minutes, and the canvas has fewer pixels


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
    """Segment what is visible, window by window; the generator gives back a `Piece`.

    The bits are those that `predict_box` gives, which cannot be stopped on its way.
    """
    yield Progress("load model")
    from napari_ziggurat.networks import load_model
    from napari_ziggurat.runs.options import SegmentOptions
    from napari_ziggurat.runs.segment import choose_level
    from napari_ziggurat.runs.session import Session

    model = load_model(request.model)
    level = choose_level(request.image, model.spec)
    box = _at_level(request.image, level, request.box)
    _check_size(box, level)
    _check_finite(request, level, box)
    with Session(model, SegmentOptions(level=level, box=str(box))) as session:
        labels = yield from _predict(session, request, level, box)
    return Piece(labels, level, box, request.time)


def _predict(
    session: "Session", request: ViewRequest, level: int, box: Box
) -> Generator[Progress, None, NDArray[np.uint8]]:
    from napari_ziggurat.inference.labels import most_probable

    plan = session.plan(request.image)
    intensity = session.intensity(request.image, level, request.time)
    values = [each.value for each in session.spec.classes]
    labels = np.zeros(box.shape, np.uint8)
    pieces = session.predict(plan, box, intensity, request.time)
    for done, (where, probabilities) in enumerate(pieces, 1):
        labels[where.relative_to(box.start).slices] = most_probable(probabilities, values)
        yield Progress("segment view", done, plan.windows // plan.times)
    return labels


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


def _check_size(box: Box, level: int) -> None:
    if box.size > _MOST:
        shape = " × ".join(map(str, box.shape))
        raise InputError(
            f"The view shows {shape} voxels of level {level}; up to {_MOST:,} can be segmented at "
            "once. Zoom in, or segment the whole image."
        )


def _check_finite(request: ViewRequest, level: int, box: Box) -> None:
    if request.image.dtype.kind != "f":
        return
    bad = int(np.count_nonzero(~np.isfinite(request.image.read(level, box, request.time))))
    if bad:
        raise InputError(
            f"The view holds {bad} voxels that are NaN or infinite; a network cannot use them. "
            "Replace them in the layer, or segment the file with --nan-as 0."
        )
