"""Stored and Said: what a source tells about its arrays, and what a person tells about it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.images.image import Image, Readable
from napari_ziggurat.images.source import Source

__all__ = ["Said", "Stored"]


@dataclass(frozen=True)
class Stored:
    """What a source says about its arrays; silence is None.

    Attributes
    ----------
    format : str
        Format in words.
    arrays : tuple of Readable
        One per level, finest first.
    axes : str or None
        One letter per stored axis; letters other than t, c, z, y, x mean "the file does not say".
    scales : tuple of mapping or None
        Size of a voxel per level and axis letter; one for level 0 alone when the others follow from
        their shapes.
    offsets : tuple of mapping or None
        Centre of voxel 0 per level and axis letter.
    unit : str or None
        Unit of scales and offsets.
    channels : tuple of str
        Channel names; empty when the source has none.
    affine : ndarray or None
        NIfTI's voxel-to-world matrix.
    """

    format: str
    arrays: tuple[Readable, ...]
    axes: str | None = None
    scales: tuple[Mapping[str, float], ...] | None = None
    offsets: tuple[Mapping[str, float], ...] | None = None
    unit: str | None = None
    channels: tuple[str, ...] = ()
    affine: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Said:
    """What the person says about a source; it wins over the file and speaks where it is silent.

    ``like`` is an image that the source belongs to (labels to their image): where the file is
    silent and its shape equals that of a level of ``like``, axes and spacing are taken from there.
    """

    axes: str | None = None
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    nan_as: float | None = None
    like: Image | None = None
    source: Source | None = None
