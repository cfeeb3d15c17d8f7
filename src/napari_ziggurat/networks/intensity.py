"""Intensity: normalisation of grey values with global statistics.

Of the training data or of the whole image, never of a window: statistics of a window make results
depend on the tiling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError

__all__ = ["Intensity"]


@dataclass(frozen=True)
class Intensity:
    """Clip to [low, high], subtract the mean, divide by the deviation; one value per channel.

    Attributes
    ----------
    low, high, mean, std : tuple of float
        Statistics of the training data.
    scope : str
        ``"dataset"``: these statistics are used for every image. ``"image"``: each image is
        normalised with its own (the training images differ in brightness too much to share).
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scope: Literal["dataset", "image"] = "dataset"

    @classmethod
    def from_values(
        cls,
        values: NDArray[Any],
        percentiles: Sequence[float] = (0.05, 99.95),
        scope: Literal["dataset", "image"] = "dataset",
    ) -> "Intensity":
        """Statistics of sampled grey values (C, n), clipped at two percentiles."""
        low, high = np.percentile(values, percentiles, axis=1)
        clipped = np.clip(values.astype(np.float64), low[:, None], high[:, None])
        mean, std = clipped.mean(axis=1), clipped.std(axis=1)
        std = np.where(std > 0, std, 1.0)  # a constant channel stays zero
        low_, high_, mean_, std_ = (tuple(map(float, each)) for each in (low, high, mean, std))
        return cls(low_, high_, mean_, std_, scope)

    @property
    def channels(self) -> int:
        """Number of channels the statistics are for."""
        return len(self.mean)

    def apply(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Normalise an image.

        Parameters
        ----------
        image : (C, (Z), Y, X) array
            Grey values as stored.

        Returns
        -------
        (C, (Z), Y, X) float32 array

        Raises
        ------
        InputError
            The number of channels differs.
        """
        if image.shape[0] != self.channels:
            raise InputError(
                f"The model was trained on {self.channels} channel(s); the image has "
                f"{image.shape[0]}."
            )
        low, high, mean, std = (
            np.asarray(v, np.float32).reshape(-1, *(1,) * (image.ndim - 1))
            for v in (self.low, self.high, self.mean, self.std)
        )
        clipped = np.clip(image.astype(np.float32), low, high)
        normalised: NDArray[np.float32] = (clipped - mean) / std
        return normalised
