"""Arrays as images: what a source says about itself, completed by what the person says."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes
from napari_ziggurat.images.image import Image, Kept, Readable
from napari_ziggurat.images.levels import make_levels
from napari_ziggurat.images.stored import Said, Stored

__all__ = ["image_from_array", "make_image"]

_RGB = ("red", "green", "blue")


def image_from_array(
    array: Any,
    *,
    axes: str,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    name: str = "array",
    channels: Sequence[str] = (),
) -> Image:
    """Make an image of an array in memory, or of a list of arrays that are its levels.

    Parameters
    ----------
    array : array or list of arrays
        NumPy, Dask, Zarr, or anything with ``shape``, ``dtype`` and slicing; levels finest first.
    axes : str
        One letter per axis, such as ``"zyx"`` or ``"yxc"``.
    spacing : sequence of float, optional
        Size of a voxel of level 0, ((z,) y, x).
    unit : str, optional
        Unit of ``spacing``.
    name : str
        Name for messages.
    channels : sequence of str
        Channel names.

    Returns
    -------
    Image
        The image; nothing is read.
    """
    arrays = tuple(array) if isinstance(array, list | tuple) else (array,)
    stored = Stored("array", tuple(map(_kept, arrays)), channels=tuple(channels))
    said = Said(axes, None if spacing is None else tuple(spacing), unit)
    return make_image(stored, said, name)


def _kept(array: Any) -> Readable:
    """Let an array of zarr know its gaps; zarr is not loaded for those that are none."""
    zarr = sys.modules.get("zarr")
    if zarr is None or not isinstance(array, zarr.Array):
        readable: Readable = array
        return readable
    from napari_ziggurat.images.zarr_array import ZarrArray

    return ZarrArray(array)


def make_image(stored: Stored, said: Said, name: str) -> Image:
    """Put together what is stored and what is said; refuse what stays uncertain."""
    _check_arrays(stored, name)
    axes, arrays = _resolve_axes(stored, said, name)
    shapes = [tuple(int(a.shape[axes.index(s)]) for s in axes.spatial) for a in arrays]
    return Image(
        name=name,
        axes=axes,
        arrays=arrays,
        levels=make_levels(stored, said, axes, shapes, name),
        channels=_channel_names(stored, axes, arrays[0]),
        dtype=_read_dtype(arrays[0].dtype),
        format=stored.format,
        source=said.source,
        affine=stored.affine,
        nan_as=said.nan_as,
    )


def _check_arrays(stored: Stored, name: str) -> None:
    first = stored.arrays[0]
    if np.dtype(first.dtype).kind not in "biuf":
        raise InputError(
            f"Voxels must be whole or real numbers; those of {name} are {first.dtype}. "
            "Save it as an integer or float image."
        )
    if math.prod(first.shape) == 0:
        raise InputError(f"{name} has no voxels: its shape is {tuple(first.shape)}.")
    if len({(len(a.shape), np.dtype(a.dtype)) for a in stored.arrays}) > 1:
        found = ", ".join(f"{tuple(a.shape)} {a.dtype}" for a in stored.arrays)
        raise InputError(f"All levels of {name} must have the same axes and type; found {found}.")


def _read_dtype(dtype: Any) -> np.dtype[Any]:
    plain = np.dtype(dtype).newbyteorder("=")
    return np.dtype(np.uint8) if plain.kind == "b" else plain


def _resolve_axes(stored: Stored, said: Said, name: str) -> tuple[Axes, tuple[Readable, ...]]:
    shape = tuple(stored.arrays[0].shape)
    letters = stored.axes if stored.axes is not None else "?" * len(shape)
    if said.axes is not None:
        kept = _kept_axes(letters, shape, Axes(said.axes), name)
        return Axes(said.axes), _squeeze(stored.arrays, kept)
    # An axis of length 1 that has no known meaning holds no information.
    kept = [i for i, a in enumerate(letters) if a in "tczyx" or shape[i] > 1 or stored.axes is None]
    known = "".join(letters[i] for i in kept)
    of_like = _axes_of_like(stored, kept, said.like, name)
    if not set(known) <= set("tczyx"):
        known = of_like or _certain_axes(len(kept))
    elif of_like and not set(known) <= set("zyx"):
        known = of_like  # many programs write the sections of labels as channels or times
    if not known:
        raise InputError(
            f"{name} has shape {shape} and does not say which axis is which. Say it, for example "
            f"--axes {_example_axes(len(shape))} (t time, c channel, z y x space)."
        )
    return Axes(known), _squeeze(stored.arrays, kept)


def _kept_axes(letters: str, shape: Sequence[int], axes: Axes, name: str) -> list[int]:
    """Choose which stored axes the named ones are; others must have length 1."""
    if axes.ndim == len(shape):
        return list(range(len(shape)))
    by_name = [i for i, a in enumerate(letters) if a in axes.names]
    long = [i for i, n in enumerate(shape) if n > 1]
    in_order = "".join(letters[i] for i in by_name) == axes.names
    if in_order and set(long) <= set(by_name):
        return by_name
    if len(long) == axes.ndim:
        return long
    raise InputError(
        f"Axes '{axes}' name {axes.ndim} axes, but {name} has {len(shape)}: shape {tuple(shape)}. "
        "Name each axis; axes of length 1 may be left out."
    )


def _axes_of_like(stored: Stored, kept: Sequence[int], like: Image | None, name: str) -> str:
    """Order in which labels store the axes of their image, where it follows from their shape.

    It is that of the image as stored, or z, y, x. Where both fit, labels that are stored in the
    same format are taken to be stored alike.
    """
    if like is None:
        return ""
    as_image = "".join(letter for letter in like.axes.names if letter in "zyx")
    fits = [o for o in dict.fromkeys((as_image, like.axes.spatial)) if _fits(o, stored, kept, like)]
    if len(fits) > 1 and stored.format != like.format:
        raise InputError(
            f"{name} does not say which axis is which, and its shape fits '{like.name}' in the "
            f"orders {' and '.join(fits)}. Save it as {like.format} like the image, or in a format "
            "that names its axes, such as OME-TIFF or OME-Zarr."
        )
    return fits[0] if fits else ""


def _fits(order: str, stored: Stored, kept: Sequence[int], like: Image) -> bool:
    """Tell whether axes in this order give the shape of a level and are what the file says."""
    if len(order) != len(kept):
        return False
    length = {letter: stored.arrays[0].shape[i] for letter, i in zip(order, kept, strict=True)}
    shape = tuple(length[letter] for letter in like.axes.spatial)
    letters = stored.axes or "?" * len(stored.arrays[0].shape)
    said = all(letters[i] in (o, *"?tc") for o, i in zip(order, kept, strict=True))
    return said and any(level.shape == shape for level in like.levels)


def _certain_axes(ndim: int) -> str:
    return "yx" if ndim == 2 else ""


def _example_axes(ndim: int) -> str:
    return {3: "zyx", 4: "czyx", 5: "tczyx"}.get(ndim, "zyx")


def _squeeze(arrays: Sequence[Readable], kept: Sequence[int]) -> tuple[Readable, ...]:
    if len(kept) == len(arrays[0].shape):
        return tuple(arrays)
    return tuple(_Squeezed(array, tuple(kept)) for array in arrays)


@dataclass(frozen=True)
class _Squeezed:
    """An array without some of its axes of length 1."""

    array: Readable
    kept: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape[i] for i in self.kept)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def __getitem__(self, key: tuple[slice, ...], /) -> Any:
        dropped = tuple(i for i in range(len(self.array.shape)) if i not in self.kept)
        return np.asarray(self.array[self._full(key)]).squeeze(dropped)

    def problem(self) -> str | None:
        return self.array.problem() if isinstance(self.array, Kept) else None

    def gap(self, key: tuple[slice, ...]) -> Any:
        return self.array.gap(self._full(key)) if isinstance(self.array, Kept) else None

    def _full(self, key: tuple[slice, ...]) -> tuple[slice, ...]:
        full = [slice(0, n) for n in self.array.shape]
        for i, part in zip(self.kept, key, strict=True):
            full[i] = part
        return tuple(full)


def _channel_names(stored: Stored, axes: Axes, array: Readable) -> tuple[str, ...]:
    count = array.shape[axes.index("c")] if axes.has("c") else 1
    if len(stored.channels) == count:
        return stored.channels
    if count == 3 and axes.names.endswith("c"):
        return _RGB
    return tuple(f"channel {i}" for i in range(count))
