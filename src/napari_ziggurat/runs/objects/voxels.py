"""Class voxels: the classes of a box, from labels or from probabilities, and grey values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, read_record
from napari_ziggurat.images.annotation import check_one_channel, decode_classes, whole_numbers
from napari_ziggurat.images.class_names import named_classes
from napari_ziggurat.runs.place import is_probabilities

__all__ = ["ClassVoxels", "Seen"]


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of the voxels of a box.

    Attributes
    ----------
    classes : ((Z), Y, X) array of integers
        0 is background.
    certainty : ((Z), Y, X) float32 array or None
        Probability of the class.
    """

    classes: NDArray[Any]
    certainty: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class ClassVoxels:
    """Reads the classes of voxels.

    Attributes
    ----------
    source : Image
        Labels with one channel, or probabilities with one for each class.
    values : tuple of int
        Class of each channel of probabilities; none for labels.
    foreground : bool
        Every class is class 1.
    """

    source: Image
    values: tuple[int, ...] = ()
    foreground: bool = False

    @classmethod
    def of(cls, source: Image, *, foreground: bool) -> "ClassVoxels":
        """Find out what an image holds.

        Raises
        ------
        InputError
            It has several channels and is not what ``segment --probabilities`` wrote.
        """
        values = _values(source)
        if not values:
            check_one_channel(source)
            _check_whole(source)
        return cls(source, values, foreground)

    def read(self, box: Box, time: int) -> Seen:
        """Read a box of the finest level."""
        gap = self.source.constant(0, box, time)
        if gap is not None and not gap.any():
            return self._nothing(box)
        voxels = self.source.read(0, box, time)
        return self._decided(voxels) if self.values else Seen(self._counted(voxels[0]))

    def names(self, classes: Sequence[int]) -> dict[int, str]:
        """Names of classes as the source states them."""
        if self.values:
            return {c.value: c.name for c in _recorded(self.source)}
        return {c.value: c.name for c in named_classes(self.source, list(classes))}

    def _nothing(self, box: Box) -> Seen:
        certainty = np.zeros(box.shape, np.float32) if self.values else None
        return Seen(np.zeros(box.shape, np.uint8), certainty)

    def _counted(self, labels: NDArray[Any]) -> NDArray[Any]:
        numbers = whole_numbers(labels, str(self.source.source or self.source.name))
        return (numbers != 0).astype(np.uint8) if self.foreground else numbers

    def _decided(self, voxels: NDArray[Any]) -> Seen:
        classes = decode_classes(voxels.argmax(axis=0), self.values)
        most = voxels.max(axis=0).astype(np.float32)
        certainty = most / np.float32(255) if voxels.dtype == np.uint8 else most
        return Seen((classes != 0).astype(np.uint8) if self.foreground else classes, certainty)


def _values(source: Image) -> tuple[int, ...]:
    if source.source is None or not is_probabilities(source.source):
        return ()
    return tuple(c.value for c in _recorded(source))


def _recorded(source: Image) -> list[LabelClass]:
    record = (read_record(source.source) if source.source is not None else None) or {}
    return [LabelClass(**each) for each in record.get("classes", [])]


def _check_whole(source: Image) -> None:
    if source.dtype.kind == "f":
        raise InputError(
            f"{source.source or source.name} holds real numbers ({source.dtype}), and labels are "
            "whole ones. Give the labels that 'segment' wrote, or the probabilities beside them."
        )
