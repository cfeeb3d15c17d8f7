"""Opening: which annotation belongs to an image, where it lies, and how it gets into the window."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ziggurat.classes import LabelClass, default_classes
from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.source import Reading
from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari_ziggurat.images import Image
    from napari_ziggurat.images.annotation_store import AnnotationStore, Census

__all__ = [
    "WIDE",
    "Opened",
    "Request",
    "annotated",
    "first_classes",
    "likely_level",
    "open_annotation",
    "place_for",
    "window_at",
]

WIDE = 8192  # voxels; napari reads a whole plane at each step, and wider ones take too long
_WINDOW = 4096  # voxels along y and x of the part that is painted on where planes are wider


@dataclass(frozen=True)
class Request:
    """What to annotate.

    Attributes
    ----------
    image : Image
    place : Path
        Folder of the annotation; it is made where there is none.
    level : int
        Level that a new one is drawn on; one that is there has its own.
    classes : tuple of LabelClass
        Of a new one.
    centre : mapping of str to float
        Voxel of level 0 that shall be in the middle, by axis, where only a part can be painted on.
    """

    image: "Image"
    place: Path
    level: int
    classes: tuple[LabelClass, ...]
    centre: Mapping[str, float]


@dataclass(frozen=True)
class Opened:
    """An annotation that is open for writing, how many voxels it has, and which part is shown."""

    store: "AnnotationStore"
    census: "Census"
    box: Box


def open_annotation(request: Request) -> Generator[Progress, None, Opened]:
    """Open the annotation of an image, or make it; the generator gives back an `Opened`."""
    yield Progress("open annotation")
    from napari_ziggurat.images.annotation_store import AnnotationStore, Census
    from napari_ziggurat.images.marks import is_annotation

    if is_annotation(request.place):
        store = AnnotationStore.open(request.place, image=request.image, write=True)
    else:
        store = AnnotationStore.create(
            request.image, request.level, request.place, classes=request.classes
        )
    try:
        return Opened(store, Census(store), _shown_box(store, request.centre, request.image))
    except BaseException:
        store.close()
        raise


def annotated(reading: Reading) -> Reading:
    """Give the image that strokes belong to: of a layer that shows one channel, the file."""
    return reading if reading.all_channels is None else reading.all_channels


def likely_level(image: "Image", base: Path) -> int:
    """Give the level to draw on: that of the annotation that is there, else the finest usable."""
    there = _level_of(_named(base, ""))
    if there is not None and there < len(image.levels):
        return there
    usable = [i for i, level in enumerate(image.levels) if max(level.shape[-2:]) <= WIDE]
    return usable[0] if usable else 0


def place_for(base: Path, level: int) -> Path:
    """Give the folder of the annotation of a level: one beside the image has one level only."""
    place = _named(base, "")
    return place if _level_of(place) in (None, level) else _named(base, f"_level{level}")


def first_classes(model: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    """Give the classes of a new annotation: those of the model, or one."""
    return tuple(c for c in model if c.value) or default_classes([1])


def window_at(shape: Sequence[int], centre: Sequence[float]) -> Box:
    """Cut y and x, the last two axes, to what can be painted on, around a voxel."""
    (start, stop) = ([0] * len(shape), list(shape))
    for axis in (len(shape) - 2, len(shape) - 1):
        if max(shape[-2:]) > WIDE and shape[axis] > _WINDOW:
            first = round(centre[axis]) - _WINDOW // 2
            start[axis] = min(max(0, first), shape[axis] - _WINDOW)
            stop[axis] = start[axis] + _WINDOW
    return Box(tuple(start), tuple(stop))


def _shown_box(store: "AnnotationStore", centre: Mapping[str, float], image: "Image") -> Box:
    """Give the part of an annotation that is shown, in its voxels."""
    finest = image.levels[0]
    sizes = zip(store.grid.spacing.values, finest.spacing.values, strict=True)
    factors = dict(zip(image.axes.spatial, (a / b for a, b in sizes), strict=True))
    point = [centre.get(a, 0.0) / factors.get(a, 1.0) for a in store.axes.names]
    return window_at(store.shape, point)


def _named(base: Path, suffix: str) -> Path:
    return base.with_name(f"{base.name}.annotation{suffix}.ome.zarr")


def _level_of(place: Path) -> int | None:
    """Level of the annotation at a place; None where there is none that can be read."""
    from napari_ziggurat.images.marks import is_annotation, marked

    if not is_annotation(place):
        return None
    from napari_ziggurat.images.annotation_store.drawn_on import DrawnOn

    try:
        return DrawnOn.read(marked(place), place).level
    except ZigguratError:
        return None  # opening it says what is wrong
