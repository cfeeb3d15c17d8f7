"""PNG and JPEG: two-dimensional pictures, grey or RGB."""

import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.stored import Stored

__all__ = ["read_picture", "read_picture_record", "write_png"]

# Name of the text chunk that holds the record of a run.
_KEY = "napari-ziggurat"

# Mode of the file -> mode it is read in. Alpha is no measurement and is dropped; the indices of a
# palette are kept, because label images are stored as such.
_GREY = {"1": "L", "L": "L", "LA": "L", "La": "L", "P": "P", "PA": "P", "I": "I", "F": "F"}
_DTYPES = {"L": "uint8", "P": "uint8", "I": "int32", "F": "float32", "RGB": "uint8"}


def read_picture(path: Path) -> Stored:
    """Read the header of a PNG or JPEG.

    Grey pictures have axes ``"yx"``, colour pictures ``"yxc"`` with channels red, green, blue.
    Palette pictures are read as their indices (what label images mean by them).
    """
    with _open(path) as picture:
        _check_depth(path)
        mode = picture.mode if picture.mode.startswith("I;16") else _GREY.get(picture.mode, "RGB")
        size = (picture.height, picture.width)
    shape = (*size, 3) if mode == "RGB" else size
    dtype = np.dtype(_DTYPES.get(mode, "uint16"))
    axes = "yxc" if mode == "RGB" else "yx"
    name = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    return Stored(name, (_Picture(path, mode, shape, dtype),), axes)


def _open(path: Path) -> PIL.Image.Image:
    with warnings.catch_warnings():
        # Pillow warns from 89 megapixels on, as a defence of web servers; it still refuses bombs.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        try:
            return PIL.Image.open(path)
        except PIL.Image.DecompressionBombError as error:
            raise InputError(
                f"{path} is too large for a PNG or JPEG, which is held in memory whole; save it "
                "as a tiled TIFF or an OME-Zarr, which are read piece by piece."
            ) from error


def _check_depth(path: Path) -> None:
    """Refuse 16-bit colour PNG, which Pillow would cut down to 8 bits without a word."""
    header = path.read_bytes()[:26] if path.stat().st_size < 64 else _head(path, 26)
    if header[12:16] == b"IHDR" and header[24] == 16 and header[25] not in (0, 3):
        raise InputError(
            f"{path} is a colour PNG with 16 bits per channel, which cannot be read without loss "
            "here; save it as TIFF."
        )


def _head(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


class _Picture:
    """A picture that is decoded when it is first read."""

    def __init__(self, path: Path, mode: str, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self.path = path
        self.mode = mode
        self.shape = shape
        self.dtype = dtype

    @cached_property
    def _voxels(self) -> NDArray[Any]:
        with _open(self.path) as picture:
            keep = picture.mode == self.mode or self.mode == "P"
            voxels = np.asarray(picture if keep else picture.convert(self.mode))
        return voxels[..., 0] if voxels.ndim > len(self.shape) else voxels

    def __getitem__(self, key: tuple[slice, ...], /) -> NDArray[Any]:
        return self._voxels[key]


def write_png(path: Path, labels: NDArray[Any], record: str) -> None:
    """Write labels (Y, X) as a grey PNG of 8 or 16 bits."""
    largest = int(labels.max())
    if labels.dtype.kind not in "iu" or int(labels.min()) < 0 or largest > 65535:
        raise InputError(
            f"PNG holds whole numbers from 0 to 65535; these labels are {labels.dtype} up to "
            f"{largest}. Write .tif or .ome.zarr instead."
        )
    small = labels.dtype.itemsize == 1 or largest < 256
    text = PIL.PngImagePlugin.PngInfo()
    if record:
        text.add_itxt(_KEY, record)
    picture = PIL.Image.fromarray(labels.astype(np.uint8 if small else np.uint16))
    picture.save(path, format="PNG", pnginfo=text)


def read_picture_record(path: Path) -> str | None:
    """Find the record in the text chunks of a PNG."""
    with _open(path) as picture:
        found = getattr(picture, "text", {}).get(_KEY)
    return None if found is None else str(found)
