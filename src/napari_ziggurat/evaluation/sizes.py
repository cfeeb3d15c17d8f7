"""Sizes: which objects are small, medium and large."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError

__all__ = ["SIZE_NAMES", "SizeBounds"]

SIZE_NAMES = ("small", "medium", "large")
"""Size classes, in the order of their numbers."""

_COCO = (32, 96)  # sides of squares in pixels: Lin 2014, arXiv 1405.0312


@dataclass(frozen=True)
class SizeBounds:
    """Where small objects end and large ones begin.

    Attributes
    ----------
    low, high : float
        An object smaller than ``low`` is small; one that is not smaller than ``high`` is large.
    kind : "terciles", "given" or "coco"
        Where they come from.
    in_voxels : bool
        They are numbers of voxels; otherwise areas (2D) or volumes (3D) in the unit of the image.

    Raises
    ------
    InputError
        ``high`` is smaller than ``low``, or ``low`` negative.
    """

    low: float
    high: float
    kind: Literal["terciles", "given", "coco"] = "given"
    in_voxels: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise InputError(
                "Sizes are two numbers, where small objects end and where large ones begin, such "
                f"as 20,80; got {self.low:g} and {self.high:g}."
            )

    @classmethod
    def terciles(cls, sizes: NDArray[np.float64]) -> "SizeBounds":
        """Cut physical sizes into three parts of about the same number of objects."""
        low, high = np.quantile(sizes, [1 / 3, 2 / 3])
        return cls(float(low), float(high), "terciles")

    @classmethod
    def coco(cls, dims: int) -> "SizeBounds":
        """Give those of COCO: squares of 32 and 96 pixels; in 3D cubes of as many voxels."""
        low, high = (float(side**dims) for side in _COCO)
        return cls(low, high, "coco", in_voxels=True)

    def bins(self, voxels: NDArray[np.int64], voxel_size: float) -> NDArray[np.int64]:
        """Tell the size class of each object.

        Parameters
        ----------
        voxels : ndarray of int64, (objects,)
            Voxels of each.
        voxel_size : float
            Area or volume of a voxel.

        Returns
        -------
        ndarray of int64, (objects,)
            Places in `SIZE_NAMES`.
        """
        sizes = voxels * (1.0 if self.in_voxels else voxel_size)
        found: NDArray[np.int64] = np.digitize(sizes, [self.low, self.high]).astype(np.int64)
        return found
