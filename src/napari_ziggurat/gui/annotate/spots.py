"""Spots: where a model is least sure, found in a thread and shown one after the other."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari_ziggurat.images import Image
    from napari_ziggurat.runs.suggest import SuggestResult

__all__ = ["SpotRequest", "find_spots"]

_COUNT = 10
_MINUTES = 1.0  # that looking may take; a coarser level is looked at where it would take longer


@dataclass(frozen=True)
class SpotRequest:
    """What is looked at, and which labels are there already.

    Attributes
    ----------
    image : Image
    model : Path
    annotation : Path or None
        Boxes with labels in it are left out.
    device : str
    """

    image: "Image"
    model: Path
    annotation: Path | None
    device: str = "auto"


def find_spots(request: SpotRequest) -> Generator[Progress, None, "SuggestResult"]:
    """Find the boxes that are worth annotating most; the generator gives back a result."""
    yield Progress("load model")
    from napari_ziggurat.networks import load_model
    from napari_ziggurat.runs.config import SuggestConfig
    from napari_ziggurat.runs.suggest import suggest_boxes

    said = {
        "image": request.image.source or Path(request.image.name),
        "model": request.model,
        "annotation": request.annotation,
        "count": _COUNT,
        "minutes": _MINUTES,
        "device": request.device,
    }
    config = SuggestConfig.create({k: v for k, v in said.items() if v is not None})
    return (yield from suggest_boxes(request.image, load_model(request.model), config))
