"""Tasks: what the dock does in threads, as generators of Progress. No Qt, no napari, no layers.

What they need is imported when they run: torch must not be loaded while the window waits.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari_ziggurat.images import Image
    from napari_ziggurat.runs.config import SegmentConfig
    from napari_ziggurat.runs.doctor import Report

__all__ = ["Piece", "ViewRequest", "examine_machine", "segment_arrays", "segment_view"]

_MOST = 2**24  # voxels of a view: more takes minutes, and the canvas has fewer pixels


@dataclass(frozen=True)
class ViewRequest:
    """What to segment, and how.

    Attributes
    ----------
    image : Image
    model : Path
    box : Box
        Voxels of level 0, ((Z), Y, X).
    time : int
    device : str
    depth : int or None
        Of a UNet++: the output that is computed.
    """

    image: "Image"
    model: Path
    box: Box
    time: int
    device: str = "auto"
    depth: int | None = None


@dataclass(frozen=True)
class Piece:
    """Labels of a box, in voxels of a level."""

    labels: NDArray[Any]
    level: int
    box: Box
    time: int


def segment_view(request: ViewRequest) -> Generator[Progress, None, Piece]:
    """Segment what is visible, window by window; the generator gives back a `Piece`."""
    yield Progress("load model")
    from napari_ziggurat.networks import load_model
    from napari_ziggurat.networks.pruning import prune_model
    from napari_ziggurat.runs.plan.level import box_at_level, choose_level
    from napari_ziggurat.runs.predict import predict_box

    (image, model) = (request.image, load_model(request.model))
    if request.depth is not None:
        model = prune_model(model, request.depth)
    level = choose_level(image, model.spec).level
    box = box_at_level(image, level, request.box)
    _check_size(box, level)
    labels = yield from predict_box(
        image, model, level, box, time=request.time, device=request.device
    )
    return Piece(labels, level, box, request.time)


def segment_arrays(image: "Image", config: "SegmentConfig") -> Generator[Progress, None, None]:
    """Segment an image that no other process can read, as the command line would."""
    yield Progress("load model")
    from napari_ziggurat.networks import load_model
    from napari_ziggurat.runs.plan.options import SegmentOptions
    from napari_ziggurat.runs.segment import segment_image

    options = SegmentOptions.from_config(config)
    yield from segment_image(image, load_model(config.model), options, config.out)


def examine_machine() -> Generator[Progress, None, "Report"]:
    """Look for devices; the generator gives back a `Report`. Loads torch."""
    yield Progress("look for devices")
    from napari_ziggurat.runs.doctor import examine

    return examine()


def _check_size(box: Box, level: int) -> None:
    if box.size > _MOST:
        shape = " × ".join(map(str, box.shape))
        raise InputError(
            f"The view shows {shape} voxels of level {level}; up to {_MOST:,} can be segmented at "
            "once. Zoom in, or segment the whole image."
        )
