"""Transfer: label files and arrays into an annotation, and an annotation into other files."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, MAX_CLASS, UNLABELLED
from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images.annotation import check_one_channel, found_values, whole_numbers
from napari_ziggurat.images.annotation_store.chunks import Chunks
from napari_ziggurat.images.annotation_store.files import annotation_grid
from napari_ziggurat.images.annotation_store.history import Record
from napari_ziggurat.images.annotation_store.names import stated_classes
from napari_ziggurat.images.annotation_store.store import AnnotationStore
from napari_ziggurat.images.arrays import image_from_array
from napari_ziggurat.images.export import export_labels
from napari_ziggurat.images.files import open_image
from napari_ziggurat.images.image import Image
from napari_ziggurat.images.marks import OURS
from napari_ziggurat.images.source import Source, to_source
from napari_ziggurat.images.zarr_output import create_output, open_output, write_attributes

__all__ = ["copy_annotation", "export_annotation", "import_labels", "source_image"]


def import_labels(
    store: AnnotationStore,
    labels: Image | Any,
    *,
    dense: bool,
    at: Sequence[int] | None = None,
    note: str = "",
) -> Iterator[Record]:
    """Paint what a label image holds, piece by piece; each piece is a stroke of kind ``import``.

    Parameters
    ----------
    store : AnnotationStore
        Opened for writing.
    labels : Image or array
        An image, or an array with the axes of the store, such as the data of a Labels layer.
    dense : bool
        Every voxel is labelled: 0 is background. Otherwise 0 is unlabelled and left as it is, and
        255 is background.
    at : sequence of int, optional
        Voxel of the store, ((z), y, x), on which voxel 0 of the labels lies; without it the labels
        have the shape of the store.
    note : str
        Kept in the history; where the labels come from unless given.

    Yields
    ------
    Record
        For each piece in which something is labelled.

    Raises
    ------
    InputError
        The labels do not fit, or hold what is no class; nothing has changed.
    """
    if not isinstance(labels, Image):
        labels = image_from_array(labels, axes=store.axes.names, name="labels")
    note = note or str(labels.source or labels.name)
    level = _matching_level(store, labels, at)
    where = Box.whole(labels.levels[level].shape).shift(at or (0,) * labels.dims)
    _check_inside(store, labels, where)
    _check_classes(labels, level, dense)
    for time in range(labels.times):
        for piece in open_image(store.path).boxes(0):
            part = piece.intersect(where)
            if part.size:
                record = _import_piece(store, (labels, level, time), part, where, dense, note)
                if record is not None:
                    yield record


def export_annotation(store: AnnotationStore, out: Path, like: Image | None = None) -> None:
    """Write an annotation as TIFF, NIfTI or PNG, as the suffix says; see `export_labels`.

    Parameters
    ----------
    store : AnnotationStore
        What is written, with its codes: 0 unlabelled, 255 background.
    out : Path
        The file.
    like : Image, optional
        The image; a NIfTI file gets its orientation.
    """
    export_labels(store.path, out, like or open_image(store.path), _record(store))


def copy_annotation(store: AnnotationStore, out: Path) -> None:
    """Write an annotation as an OME-Zarr without history; only chunks that exist are written.

    Raises
    ------
    ExistsError
        There is something at ``out``.
    """
    grid = annotation_grid(store.drawn_on)
    classes = stated_classes(store.classes)
    running = _record(store) | {"status": "running"}
    create_output(out, grid, kind="labels", classes=classes, attributes={OURS: running})
    target = Chunks(open_output(out)[0])
    for box in store.touched():
        index = tuple(a // n for a, n in zip(box.start, target.chunk, strict=True))
        content = target.encode(index, store.read(box))
        if content:
            path = target.path(index)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    write_attributes(out, {OURS: {"status": "complete"}})


def _record(store: AnnotationStore) -> dict[str, Any]:
    """Say what was drawn on what; a copy is no annotation that somebody paints on."""
    said = store.drawn_on.model_dump(mode="json") | {"content": "exported annotation"}
    return said | {"classes": [dict(each.__dict__) for each in store.classes]}


def _import_piece(
    store: AnnotationStore,
    source: tuple[Image, int, int],
    part: Box,
    where: Box,
    dense: bool,
    note: str,
) -> Record | None:
    (labels, level, time) = source
    here = part.relative_to(where.start)
    if not dense and _is_empty(labels, level, here, time):
        return None
    values = whole_numbers(labels.read(level, here, time)[0], labels.name).astype(np.uint8)
    if dense:
        values = np.where(values == 0, EXPLICIT_BACKGROUND, values)
    mask = values != UNLABELLED
    if not mask.any():
        return None
    timed = store.axes.has("t")
    box = Box((time, *part.start), (time + 1, *part.stop)) if timed else part
    (values, mask) = (values[None], mask[None]) if timed else (values, mask)
    return store.write(box, values, None if dense else mask, kind="import", note=note)


def _is_empty(labels: Image, level: int, box: Box, time: int) -> bool:
    constant = labels.constant(level, box, time)
    return constant is not None and not constant.any()


def _matching_level(store: AnnotationStore, labels: Image, at: Sequence[int] | None) -> int:
    check_one_channel(labels)
    shapes = [level.shape for level in labels.levels]
    if at is not None:
        if len(at) != len(store.grid.shape) or labels.dims != len(store.grid.shape):
            raise InputError(
                f"--at needs one voxel number per axis ({store.drawn_on.axes}) and labels with "
                f"these axes; got {tuple(at)} and axes {labels.axes}."
            )
        return 0
    if store.grid.shape in shapes:
        return shapes.index(store.grid.shape)
    raise InputError(
        f"'{labels.source or labels.name}' has shape {' or '.join(map(str, shapes))}, and the "
        f"annotation '{store.path}' (level {store.drawn_on.level} of '{store.drawn_on.image}') "
        f"{store.grid.shape}. Take an annotation of the level that the labels were drawn on, or "
        "say with --at where a part of it lies."
    )


def _check_inside(store: AnnotationStore, labels: Image, where: Box) -> None:
    whole = Box.whole(store.grid.shape)
    if not whole.contains(where):
        raise InputError(
            f"'{labels.source or labels.name}' would lie at {where}, which is not inside the "
            f"annotation '{store.path}' of shape {store.grid.shape}. Give another --at, or cut it."
        )
    if labels.times != store.drawn_on.times:
        raise InputError(
            f"'{labels.source or labels.name}' has {labels.times} time point(s) and the image "
            f"{store.drawn_on.times}; give labels for each."
        )


def _check_classes(labels: Image, level: int, dense: bool) -> None:
    """Look at all values before the first is painted."""
    largest = max(found_values(labels, level), default=0)
    if largest > (MAX_CLASS if dense else EXPLICIT_BACKGROUND):
        codes = "0 (background) and 1 to 254" if dense else "0 (unlabelled), 1 to 254 and 255"
        raise InputError(
            f"'{labels.source or labels.name}' has values up to {largest}; "
            f"{'dense' if dense else 'sparse'} labels hold {codes}. Number the classes anew; "
            "objects (one number each) are no classes."
        )


def source_image(store: AnnotationStore) -> Image | None:
    """Open the image of an annotation: where it lay, or where both were moved together.

    None where it is not found.
    """
    source = to_source(store.drawn_on.source or "")
    places: list[Source] = [source]
    if store.path.parent.name == "labels":
        places.insert(0, store.path.parent.parent)
    if isinstance(source, Path):
        places.append(store.path.parent / source.name)
    for place in places if store.drawn_on.source else ():
        with suppress(ZigguratError):
            return open_image(place)
    return None
