"""Silenced volumes: labels that are there and are not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.training.volumes import LabelledVolume

__all__ = ["SilencedVolume"]


@dataclass(frozen=True)
class SilencedVolume(LabelledVolume):
    """A labelled volume some boxes of which count as unlabelled.

    Attributes
    ----------
    silenced : tuple of Box
        Voxels of the volume; they may pass its end.
    """

    silenced: tuple[Box, ...] = ()

    @classmethod
    def of(cls, volume: LabelledVolume, boxes: Sequence[Box]) -> LabelledVolume:
        """Silence boxes of a volume; one without any stays as it is."""
        return cls(**vars(volume), silenced=tuple(boxes)) if boxes else volume

    def read_target(self, box: Box) -> NDArray[np.uint8]:
        """Target ((Z), Y, X) of a box, 0 where it is silenced."""
        target = super().read_target(box).copy()
        for silent in self.silenced:
            if here := _overlap(silent, box):
                target[here.relative_to(box.start).slices] = 0
        return target


def _overlap(one: Box, other: Box) -> Box | None:
    start = tuple(map(max, one.start, other.start))
    stop = tuple(map(min, one.stop, other.stop))
    return Box(start, stop) if all(a < b for a, b in zip(start, stop, strict=True)) else None
