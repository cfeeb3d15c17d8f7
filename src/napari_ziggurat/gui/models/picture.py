"""Picture: a small picture of what a model makes of an image, kept in the model's folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_ziggurat.classes import LabelClass
    from napari_ziggurat.gui.tasks import Piece
    from napari_ziggurat.images import Image

__all__ = ["PICTURE", "draw_picture", "write_picture"]

PICTURE = "picture.png"
_SIDE = 192  # pixels
_COVER = 0.45  # of the image's colour that the class replaces


def write_picture(
    folder: Path, image: "Image", piece: "Piece", classes: "Sequence[LabelClass]"
) -> None:
    """Draw the middle of what was segmented, and put it beside a model.

    Raises
    ------
    OSError
        It cannot be written; what was there is as it was.
    """
    from PIL import Image as Pillow

    grey = image.read(piece.level, piece.box, piece.time)
    drawn = draw_picture(_plane(grey), _plane(piece.labels[None]), classes)
    part = folder / f".{PICTURE}.part"
    try:
        Pillow.fromarray(drawn).save(part, format="PNG")
        part.replace(folder / PICTURE)
    finally:
        part.unlink(missing_ok=True)


def draw_picture(
    image: NDArray[Any], labels: NDArray[Any], classes: "Sequence[LabelClass]"
) -> NDArray[np.uint8]:
    """Lay the colours of classes over an image.

    Parameters
    ----------
    image : (C, Y, X) array
        Three channels of bytes are colours; of others the mean is shown.
    labels : (1, Y, X) array
        A class value for each pixel.
    classes : sequence of LabelClass
        Colours of the values; of others nothing is drawn.

    Returns
    -------
    (height, width, 3) uint8 array
        A square from the middle, of at most 192 pixels; larger ones are thinned.
    """
    (image, labels) = (_square(image), _square(labels)[0])
    colours = _colours(image)
    for each in classes:
        if each.value:
            colours[labels == each.value] += _COVER * (
                np.array(_rgb(each.color)) - colours[labels == each.value]
            )
    return np.clip(np.round(colours), 0, 255).astype(np.uint8)


def _plane(voxels: NDArray[Any]) -> NDArray[Any]:
    """Take the middle section of a volume (C, Z, Y, X)."""
    return voxels if voxels.ndim == 3 else voxels[:, voxels.shape[1] // 2]


def _square(plane: NDArray[Any]) -> NDArray[Any]:
    side = min(plane.shape[1:])
    (y, x) = ((n - side) // 2 for n in plane.shape[1:])
    step = -(-side // _SIDE)
    return plane[:, y : y + side : step, x : x + side : step]


def _colours(image: NDArray[Any]) -> NDArray[np.float64]:
    """Make colours (Y, X, 3) of 0 to 255."""
    if len(image) == 3 and image.dtype == np.uint8:
        return np.moveaxis(image, 0, -1).astype(np.float64)
    grey = np.nan_to_num(image.astype(np.float64)).mean(axis=0)
    (low, high) = np.percentile(grey, (1, 99))
    shown = np.clip((grey - low) / max(high - low, 1e-12), 0, 1) * 255
    return np.repeat(shown[..., None], 3, axis=2)


def _rgb(color: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    (red, green, blue, *_) = ImageColor.getrgb(color)
    return red, green, blue
