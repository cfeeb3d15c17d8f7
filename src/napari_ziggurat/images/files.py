"""Open files: find the images at a path, and the reader for each format."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from napari_ziggurat.errors import InputError, MissingError, ZigguratError
from napari_ziggurat.images.arrays import make_image
from napari_ziggurat.images.image import Image
from napari_ziggurat.images.stored import Said, Stored

__all__ = ["find_images", "is_zarr", "open_image", "stem"]

Reader = Callable[[Path], Stored]

_ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def open_image(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    nan_as: float | None = None,
    like: Image | None = None,
) -> Image:
    """Open an image or a label image; voxels are read later, box by box.

    Parameters
    ----------
    path : path
        OME-Zarr (also ``IMAGE.zarr/labels/NAME``), zarr array, TIFF, NIfTI, PNG, JPEG or .npy.
    axes : str, optional
        One letter per stored axis, for files that do not say (or to overrule one that does).
    spacing : sequence of float, optional
        Size of a voxel of level 0, ((z,) y, x).
    unit : str, optional
        Unit of the spacing, such as ``"um"``.
    nan_as : float, optional
        Value that stands in for NaN and infinite voxels.
    like : Image, optional
        The image that these labels belong to. Where their shape equals that of a level of this
        image, their axes are those of the image, also where the file calls its sections channels;
        where the file is silent, so is the spacing.

    Returns
    -------
    Image
        The image.

    Raises
    ------
    MissingError
        There is nothing at the path.
    InputError
        It is no image, it is damaged, or it does not say what its axes are.
    """
    path = Path(path)
    said = Said(axes, None if spacing is None else tuple(spacing), unit, nan_as, like, path)
    _check_path(path)
    return replace(make_image(_read_header(path), said, str(path)), name=stem(path))


def find_images(path: str | os.PathLike[str]) -> list[Path]:
    """List the images at a path: the file or OME-Zarr itself, or those in a folder, sorted."""
    path = Path(path)
    if not path.exists():
        raise MissingError(_missing(path))
    if not path.is_dir() or is_zarr(path):
        return [path]
    found = sorted(p for p in path.iterdir() if not p.name.startswith(".") and _is_image(p))
    if not found:
        raise InputError(f"Folder {path} holds no image. Known are {_known_formats()}.")
    return found


def stem(path: str | os.PathLike[str]) -> str:
    """Name of an image without its format: ``"b"`` for ``"a/b.ome.tif"`` and ``"b.nii.gz"``."""
    name = Path(path).name
    for suffix in (*_READERS, ".zarr", ".gz"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name[:-4] if name.lower().endswith(".ome") else name


def _check_path(path: Path) -> None:
    if not path.exists():
        raise MissingError(_missing(path))
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read by this user; change its permissions.")
    if path.is_dir() and not is_zarr(path):
        raise InputError(f"{path} is a folder, not an image; name a file or an OME-Zarr in it.")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); copy it again.")


def _missing(path: Path) -> str:
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    return f"There is no file {path}; the nearest folder that exists is {folder.resolve()}."


def _read_header(path: Path) -> Stored:
    reader = _reader_for(path)
    try:
        return reader(path)
    except (ZigguratError, MemoryError):
        raise
    # Libraries raise what they like on damaged files; the person needs one sentence.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(
            f"{path} cannot be opened: {reason}. The file may be damaged or incomplete."
        ) from error


def _reader_for(path: Path) -> Reader:
    if path.is_dir():
        return _read_zarr
    suffix = next((s for s in _READERS if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise InputError(f"{path} is of no known format. Known are {_known_formats()}.")
    return _READERS[suffix]


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a node of a zarr hierarchy."""
    return path.is_dir() and any((path / mark).exists() for mark in _ZARR_MARKS)


def _is_image(path: Path) -> bool:
    return is_zarr(path) or (path.is_file() and path.name.lower().endswith(tuple(_READERS)))


def _known_formats() -> str:
    return "OME-Zarr and zarr folders, " + ", ".join(_READERS)


# Readers are imported when they are used: each brings a library.


def _read_zarr(path: Path) -> Stored:
    from napari_ziggurat.images.ome_zarr import read_zarr

    return read_zarr(path)


def _read_tiff(path: Path) -> Stored:
    from napari_ziggurat.images.tiff import read_tiff

    return read_tiff(path)


def _read_nifti(path: Path) -> Stored:
    from napari_ziggurat.images.nifti import read_nifti

    return read_nifti(path)


def _read_picture(path: Path) -> Stored:
    from napari_ziggurat.images.pictures import read_picture

    return read_picture(path)


def _read_npy(path: Path) -> Stored:
    import numpy as np

    # Pickled arrays are refused: loading one runs code.
    return Stored("NumPy", (np.load(path, mmap_mode="r", allow_pickle=False),))


_READERS: dict[str, Reader] = {
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".btf": _read_tiff,
    ".tf8": _read_tiff,
    ".lsm": _read_tiff,
    ".svs": _read_tiff,
    ".nii": _read_nifti,
    ".nii.gz": _read_nifti,
    ".png": _read_picture,
    ".jpg": _read_picture,
    ".jpeg": _read_picture,
    ".npy": _read_npy,
}
