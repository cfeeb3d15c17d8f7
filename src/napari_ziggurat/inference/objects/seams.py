"""Seams: where fragments of neighbouring blocks touch: across faces, edges and corners."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.inference.objects.components import Connectivity

__all__ = ["Faces", "contacts", "seam_steps"]

Step = tuple[int, ...]
Plane = NDArray[np.uint32]


def seam_steps(dims: int, connectivity: Connectivity) -> Iterator[Step]:
    """Give the steps from a block to those of its neighbours that come later in a scan.

    The others have it as a later neighbour of their own. Blocks that meet at an edge or a corner
    alone matter only where voxels touch in this way.
    """
    for step in product((-1, 0, 1), repeat=dims):
        moved = [s for s in step if s]
        if moved and moved[0] == 1 and (connectivity == "full" or len(moved) == 1):
            yield step


@dataclass(frozen=True)
class Faces:
    """The outermost planes of a block.

    Attributes
    ----------
    planes : mapping of str to array
        ``"0-"`` is the first plane along axis 0, ``"0+"`` the last, and so on; may be lazy.
    dims : int
        Axes of the block.
    prefix : str
        What their names begin with, where several values of voxels are kept together.
    """

    planes: Mapping[str, Plane]
    dims: int
    prefix: str = ""

    @classmethod
    def of(cls, voxels: Plane, prefix: str = "") -> "Faces":
        """Cut the faces from the fragments, or other values, ((Z), Y, X) of a block."""
        planes = {}
        for axis in range(voxels.ndim):
            planes[f"{prefix}{axis}-"] = np.take(voxels, 0, axis)
            planes[f"{prefix}{axis}+"] = np.take(voxels, -1, axis)
        return cls(planes, voxels.ndim, prefix)

    def toward(self, step: Step) -> Plane:
        """Give the voxels that look toward a neighbour; axes along which it lies are left out."""
        axis = next(a for a, s in enumerate(step) if s)
        plane = self.planes[f"{self.prefix}{axis}{'+' if step[axis] > 0 else '-'}"]
        rest = (s for a, s in enumerate(step) if a != axis)
        return np.asarray(plane[tuple(slice(None) if s == 0 else min(0, -s) for s in rest)])

    def present(self, step: Step) -> NDArray[Any]:
        """Fragments that look toward a neighbour, each once."""
        return np.setdiff1d(self.toward(step), [0])


def contacts(
    near: Plane, far: Plane, classes: tuple[NDArray[Any], NDArray[Any]], connectivity: Connectivity
) -> NDArray[np.int64]:
    """List the fragments of one class that touch across a seam.

    Parameters
    ----------
    near, far : array of uint32
        What two blocks show each other, see `Faces.toward`; of one shape.
    classes : pair of array
        Class of each fragment of the near and of the far block, from fragment 1 on.
    connectivity : {"full", "face"}
        Whether voxels touch by edges and corners, too.

    Returns
    -------
    (K, 2) int64 array
        Pairs of fragments, each once.
    """
    shifts = (-1, 0, 1) if connectivity == "full" else (0,)
    found = [
        _touching(near[_cut(shift, 1)], far[_cut(shift, -1)], classes)
        for shift in product(shifts, repeat=near.ndim)
    ]
    codes = np.unique(np.concatenate(found))
    return np.stack(np.divmod(codes, len(classes[1]) + 1), axis=1)


def _cut(shift: Step, sign: int) -> tuple[slice, ...]:
    """Give what is left of a plane that is moved by a voxel at most."""
    return tuple(slice(max(0, s * sign), min(0, s * sign) or None) for s in shift)


def _touching(
    near: Plane, far: Plane, classes: tuple[NDArray[Any], NDArray[Any]]
) -> NDArray[np.int64]:
    both = (near > 0) & (far > 0)
    a, b = near[both].astype(np.int64), far[both].astype(np.int64)
    codes = np.unique(a * (len(classes[1]) + 1) + b)
    a, b = np.divmod(codes, len(classes[1]) + 1)
    same: NDArray[np.bool_] = classes[0][a - 1] == classes[1][b - 1]
    touching: NDArray[np.int64] = codes[same]
    return touching
