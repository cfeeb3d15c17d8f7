"""TIFF: OME, ImageJ and plain ones, read lazily strip by strip or tile by tile."""

import logging
import math
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.stored import Stored
from napari_ziggurat.images.tiff_facts import check_complete, imagej_facts, ome_facts

__all__ = ["read_tiff"]

# tifffile reports what it repairs; without any logging set up, Python would print that on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_tiff(path: Path) -> Stored:
    """Read the header of a TIFF.

    Axes and spacing come from OME-XML or ImageJ's description. A plain TIFF states neither: its
    resolution tags are about printing, and a stack of pages may be z, time or channels.
    """
    check_complete(path)
    with tifffile.TiffFile(path) as tif:
        series = _main_series(tif, path)
        index = tif.series.index(series)
        _check_series(tif, series, path)
        facts = _facts(tif, series)
        file = _TiffLevels(path, index)
        levels = [
            _TiffArray(file, i, tuple(level.shape), np.dtype(level.dtype))
            for i, level in enumerate(series.levels)
        ]
        axes = _axes_letters(series.axes, path)
    return Stored(
        facts.format,
        tuple(levels),
        axes,
        scales=(facts.scale,) if facts.scale else None,
        unit=facts.unit,
        channels=facts.channels,
    )


def _main_series(tif: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    """Choose the image; previews and labels of slide scanners are smaller than it."""
    series = list(tif.series)
    if not series:
        raise InputError(f"{path} holds no image that can be read.")
    first, *others = series
    if any(math.prod(other.shape) >= math.prod(first.shape) for other in others):
        shapes = ", ".join(str(tuple(s.shape)) for s in series[:6])
        raise InputError(
            f"{path} holds {len(series)} images (shapes {shapes}) and one is needed; save the one "
            "you want as a file of its own."
        )
    return first


def _check_series(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> None:
    missing = 0 if series.dataoffset is not None else sum(page is None for page in series)
    if missing:
        raise InputError(
            f"{path} lacks {missing} of the {len(series)} planes that its metadata lists: files "
            "that belong to it. Copy them to where it lies."
        )
    start = series.dataoffset if _is_plain(series) else None
    if start is not None and path.stat().st_size < start + series.nbytes:
        raise InputError(f"{path} is cut off: voxels are missing at its end; copy it again.")
    planes = int((tif.imagej_metadata or {}).get("images", 1))
    if tif.is_imagej and math.prod(series.shape) < planes * series.keyframe.size:
        raise InputError(f"{path} is cut off: not all of its {planes} planes are there.")


def _facts(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Any:
    if series.kind == "ome":
        return ome_facts(tif.ome_metadata or "")
    return imagej_facts(tif if series.kind == "imagej" else None)


def _axes_letters(axes: str, path: Path) -> str:
    """Translate tifffile's letters; S are the samples of a colour pixel."""
    if "S" in axes and "C" in axes:
        raise InputError(
            f"{path} has colour pixels in several channels (axes {axes}); split it into files with "
            "either colours or channels."
        )
    letters = axes.replace("S", "C").lower()
    return "".join(letter if letter in "tczyx" else "?" for letter in letters)


class _TiffLevels:
    """The open file behind the levels of one image.

    It is opened when the first voxel is read, once per process: a file handle that came through
    fork shares its position with the parent, and reads of both would mix.
    """

    def __init__(self, path: Path, series: int):
        self.path = path
        self.series = series
        self._process = 0
        self._arrays: dict[int, Any] = {}
        self._file: tifffile.TiffFile | None = None

    def array(self, level: int) -> Any:
        if self._process != os.getpid():
            self._process, self._arrays, self._file = os.getpid(), {}, None
        if level not in self._arrays:
            self._arrays[level] = self._open_level(level)
        return self._arrays[level]

    def _open_level(self, level: int) -> Any:
        if self._file is None:
            self._file = tifffile.TiffFile(self.path)
            weakref.finalize(self, self._file.close)
        series = self._file.series[self.series].levels[level]
        return _mapped(self._file, series) if _is_plain(series) else _as_zarr(series)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": 0, "_arrays": {}, "_file": None}


def _is_plain(series: tifffile.TiffPageSeries) -> bool:
    return (
        series.dataoffset is not None and series.keyframe.is_memmappable and not series.is_multifile
    )


def _mapped(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> NDArray[Any]:
    dtype = np.dtype(series.dtype).newbyteorder(file.byteorder)
    start = series.dataoffset or 0
    return np.memmap(file.filehandle.path, dtype, "r", offset=start, shape=tuple(series.shape))


def _as_zarr(series: tifffile.TiffPageSeries) -> Any:
    import zarr

    return zarr.open_array(series.aszarr(level=0), mode="r")


class _TiffArray:
    """One level of a TIFF as an array."""

    def __init__(self, file: _TiffLevels, level: int, shape: tuple[int, ...], dtype: Any):
        self.shape = shape
        self.dtype = dtype
        self._file = file
        self._level = level

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of strips or tiles; None where the file is mapped into memory."""
        return getattr(self._file.array(self._level), "chunks", None)

    def __getitem__(self, key: tuple[slice, ...], /) -> NDArray[Any]:
        return np.asarray(self._file.array(self._level)[key])
