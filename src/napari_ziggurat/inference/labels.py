"""Labels: probabilities -> class values."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.images.annotation import decode_classes

__all__ = ["most_probable"]


def most_probable(probabilities: NDArray[np.float32], values: Sequence[int]) -> NDArray[np.uint8]:
    """Give each voxel the value of its most probable class; the first one wins a tie.

    Parameters
    ----------
    probabilities : (classes, (Z), Y, X) array
        Any numbers that compare; they need not sum to one.
    values : sequence of int
        Class value of each channel, 0..254.

    Returns
    -------
    ((Z), Y, X) uint8 array
    """
    return decode_classes(probabilities.argmax(axis=0), values)
