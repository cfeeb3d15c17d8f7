"""Newest: a sampler that shows the newest strokes more often than their number would."""

from dataclasses import dataclass, replace

import numpy as np

from napari_ziggurat.geometry import Box
from napari_ziggurat.training.sampling import LabelIndex, Sampler

__all__ = ["NewestSampler"]


@dataclass(frozen=True)
class NewestSampler(Sampler):
    """Draws half of the patches around the newest strokes, where there are any.

    Attributes
    ----------
    newest : LabelIndex or None
        Where these are.
    share : float
        Part of the patches that lies around them.
    """

    newest: LabelIndex | None = None
    share: float = 0.5

    def place(self, rng: np.random.Generator) -> tuple[int, Box]:
        """Draw where a patch lies: number of the volume, and voxels, which may pass its end."""
        newest = None if self.everywhere else self.newest
        if newest is not None and newest.positions and rng.random() < self.share:
            return replace(self, index=newest, newest=None).place(rng)
        return super().place(rng)
