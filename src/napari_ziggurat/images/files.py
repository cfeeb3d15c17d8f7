"""Open files: find the images at a path, and the reader for each format."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from napari_ziggurat.errors import InputError, MissingError, ZigguratError
from napari_ziggurat.images.arrays import make_image
from napari_ziggurat.images.image import Image
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.images.source import Source, Url, to_source
from napari_ziggurat.images.stored import Said, Stored

__all__ = ["find_images", "is_zarr", "open_image", "stem"]

Reader = Callable[[Path], Stored]
AnySource = TypeVar("AnySource", Path, Url)

_ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def open_image(
    path: str | os.PathLike[str] | Url,
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
    path : path or URL
        OME-Zarr (also ``IMAGE.zarr/labels/NAME``), zarr array, TIFF, NIfTI, PNG, JPEG or .npy;
        OME-Zarr and zarr arrays also by ``http://``, ``https://`` or ``s3://``.
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
    source = to_source(path)
    said = Said(axes, None if spacing is None else tuple(spacing), unit, nan_as, like, source)
    stored = _read_url(source) if isinstance(source, Url) else _read_path(source)
    return replace(make_image(stored, said, str(source)), name=stem(source))


def find_images(path: str | os.PathLike[str] | Url) -> list[Source]:
    """List the images at a path: the file or OME-Zarr itself, or those in a folder, sorted.

    A URL names one image. Annotations that lie beside the images of a folder are no images of it.
    """
    path = to_source(path)
    if isinstance(path, Url):
        return [path]
    if not path.exists():
        raise MissingError(_missing(path))
    if not path.is_dir() or is_zarr(path):
        return [path]
    names = (p for p in path.iterdir() if not p.name.startswith(".") and not is_annotation(p))
    found: list[Source] = [*sorted(p for p in names if _is_image(p))]
    if not found:
        raise InputError(f"Folder {path} holds no image. Known are {_known_formats()}.")
    return found


def stem(path: str | os.PathLike[str] | Url) -> str:
    """Name of an image without its format: ``"b"`` for ``"a/b.ome.tif"`` and ``"b.nii.gz"``."""
    name = to_source(path).name
    for suffix in (*_READERS, ".zarr", ".gz"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name[:-4] if name.lower().endswith(".ome") else name


def _read_path(path: Path) -> Stored:
    _check_path(path)
    return _read_header(path, _reader_for(path))


def _read_url(url: Url) -> Stored:
    suffix = next((s for s in _READERS if url.name.lower().endswith(s)), None)
    if suffix is not None:
        raise InputError(
            f"Of images on a server OME-Zarr and zarr arrays are read; {url} is {suffix}. Download "
            "it, or convert it to OME-Zarr."
        )
    return _read_header(url, _read_zarr)


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


def _read_header(path: AnySource, reader: Callable[[AnySource], Stored]) -> Stored:
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


def _read_zarr(path: Source) -> Stored:
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
