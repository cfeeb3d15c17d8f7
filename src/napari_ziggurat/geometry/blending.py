"""Blending: the share that each window has in the voxels around the border of its cell."""

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry.box import Box
from napari_ziggurat.geometry.windows import Cell, Lattice

__all__ = ["blend_weights"]


def blend_weights(lattice: Lattice, cell: Cell, box: Box) -> NDArray[np.float32]:
    r"""Give the weight of a cell's window at each voxel of a box.

    Across each border between two cells the weight falls from one to zero along a straight line,
    over twice the lattice's reach, while that of the neighbour rises:

        1 ______      ______
                \    /
                 \  /           weights of two neighbours, their sum is one
                  \/
                  /\
        0 _______/  \_______
                 border

    Parameters
    ----------
    lattice : Lattice
        With ``blend``; without, the weight is one inside the cell and zero outside.
    cell : Cell
        One of its cells.
    box : Box
        Voxels of the image.

    Returns
    -------
    ((Z), Y, X) float32 array
        The weights of all cells add up to one at each voxel.
    """
    weights = np.ones((1,) * box.ndim, np.float32)
    for axis, reach in enumerate(lattice.reach):
        centres = np.arange(box.start[axis], box.stop[axis], dtype=np.float64) + 0.5
        start, stop = cell.box.start[axis], cell.box.stop[axis]
        rising = _ramp(centres, start, reach) if start > 0 else np.ones_like(centres)
        next_one = _ramp(centres, stop, reach) if stop < lattice.shape[axis] else 0.0
        along = [1] * box.ndim
        along[axis] = -1
        weights = weights * (rising - next_one).astype(np.float32).reshape(along)
    return weights


def _ramp(centres: NDArray[np.float64], border: int, reach: int) -> NDArray[np.float64]:
    """Rise from zero to one across a border; a step where there is no reach."""
    if reach == 0:
        return (centres > border).astype(np.float64)
    return np.clip((centres - (border - reach)) / (2 * reach), 0.0, 1.0)
