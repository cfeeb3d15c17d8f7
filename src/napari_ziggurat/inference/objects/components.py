"""Components: voxels of one class that touch each other, within one block."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Components", "Connectivity"]

Connectivity = Literal["full", "face"]

_NEIGHBOURS: dict[tuple[str, int], Literal[4, 6, 8, 26]] = {
    ("face", 2): 4,
    ("full", 2): 8,
    ("face", 3): 6,
    ("full", 3): 26,
}


@dataclass(frozen=True)
class Components:
    """Finds the fragments of a block: its connected components, each class for itself.

    What makes fragments of voxels in another way takes its place: it is called with the classes of
    a block and gives fragments numbered from 1.

    Attributes
    ----------
    connectivity : {"full", "face"}
        Voxels touch by faces, edges and corners (26 neighbours in a volume, 8 in a plane), or by
        faces alone (6 and 4).
    """

    connectivity: Connectivity = "full"

    def __call__(self, classes: NDArray[Any]) -> tuple[NDArray[np.uint32], int]:
        """Find the fragments of a block.

        Parameters
        ----------
        classes : ((Z), Y, X) array of integers
            Class of each voxel; 0 is background.

        Returns
        -------
        fragments : ((Z), Y, X) uint32 array
            0 is background; numbers depend on nothing but the voxels of the block.
        count : int
            The largest number; all from 1 to it occur.
        """
        if not classes.any():
            return np.zeros(classes.shape, np.uint32), 0
        import cc3d

        neighbours = _NEIGHBOURS[self.connectivity, classes.ndim]
        fragments, count = cc3d.connected_components(
            np.require(classes, requirements=["C", "W"]), connectivity=neighbours, return_N=True,
            out_dtype=np.uint32,
        )  # fmt: skip
        return np.ascontiguousarray(fragments), int(count)
