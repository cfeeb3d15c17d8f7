"""Finite: refuse an image with voxels that a network cannot use, NaN and infinite ones."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images.image import Image
from napari_ziggurat.progress import Progress

__all__ = ["check_finite", "refuse_not_finite"]


def refuse_not_finite(
    image: Image, level: int, region: Box | None = None, time: int | None = None
) -> Iterator[Progress]:
    """Look through the voxels that will be used, box by box, and refuse NaN and infinite ones.

    Nothing is read where there can be none: in images of integers, and where a value stands in.

    Parameters
    ----------
    image : Image
        Opened; it is read at one level only.
    level : int
        The level that is used.
    region : Box, optional
        The voxels of the level that are used, ((Z), Y, X); all of them by default.
    time : int, optional
        The time point that is used; all of them by default.

    Raises
    ------
    InputError
        There are some; the message counts them over all channels and the times that are used.
    """
    if image.dtype.kind != "f" or image.nan_as is not None:
        return
    used = region or Box.whole(image.levels[level].shape)
    cut = (box.intersect(used) for box in image.boxes(level))
    times = range(image.times) if time is None else (time,)
    boxes = [(moment, box) for box in cut if box.size for moment in times]
    count = 0
    for done, (moment, box) in enumerate(boxes):
        yield Progress("check", done, len(boxes))
        count += _count(image, level, box, moment)
    if count:
        raise InputError(_refusal(image, f"{count} voxels"))


def check_finite(image: Image, voxels: NDArray[Any]) -> None:
    """Refuse voxels that were read, where some are NaN or infinite.

    For runs that write nothing meanwhile, and so need not look through everything before.

    Raises
    ------
    InputError
        There are some.
    """
    if image.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise InputError(_refusal(image, "voxels"))


def _refusal(image: Image, some: str) -> str:
    return (
        f"'{image.name}' has {some} that are NaN or infinite; a network cannot use them. Say what "
        "they stand for, for example --nan-as 0."
    )


def _count(image: Image, level: int, box: Box, time: int) -> int:
    value = image.constant(level, box, time)
    if value is not None:
        return int(np.count_nonzero(~np.isfinite(value))) * box.size
    return int(np.count_nonzero(~np.isfinite(image.read(level, box, time))))
