"""Live volume: an image whose labels change while a network learns from them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, UNLABELLED
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume

__all__ = ["LiveVolume"]


@dataclass(frozen=True)
class LiveVolume(LabelledVolume):
    """A volume whose labels are read anew for every patch; its image may be in memory.

    Attributes
    ----------
    pixels : (C, (Z), Y, X) array or None
        The whole level in memory.
    apart : tuple of Box
        Places whose labels are kept out of training, in voxels of the level.
    """

    pixels: NDArray[Any] | None = None
    apart: tuple[Box, ...] = ()

    def read_image(self, box: Box) -> NDArray[Any]:
        """Image (C, (Z), Y, X) of a box.

        Raises
        ------
        InputError
            A voxel is NaN or infinite: volumes are too large to look through beforehand.
        """
        stored = self._stored(box)
        if self.pixels is not None:
            return self.pixels[(slice(None), *stored.slices)]
        image = self._read(self.image, self.level, box, self.time)
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise InputError(
                f"'{self.image.name}' has voxels that are NaN or infinite in {stored}, where it is "
                "annotated. Say --nan-as VALUE to read a value in their place."
            )
        return image

    def read_target(self, box: Box) -> NDArray[np.uint8]:
        """Target ((Z), Y, X) of a box; a class that is not learned yet is as unlabelled."""
        stored = self._stored(box)
        time = min(self.time, self.labels.times - 1)
        labels = self.labels.read(self.label_level, stored, time)[0]
        target: NDArray[np.uint8] = np.take(_table(self.code), labels)
        for each in self.apart:
            both = stored.intersect(each)
            if both.size:
                target[both.relative_to(stored.start).slices] = UNLABELLED
        return target

    def is_silent(self, box: Box) -> bool:
        """Labels may come at any time."""
        return False


def _table(code: LabelCode) -> NDArray[np.uint8]:
    """Target of each of the 256 label values."""
    known = {UNLABELLED, EXPLICIT_BACKGROUND, *code.values}
    values = np.array(range(256) if code.foreground else sorted(known), np.uint8)
    table = np.zeros(256, np.uint8)
    table[values] = code.encode(values)
    return table
