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
from napari_ziggurat.runs.output.place import is_probabilities

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
    shapes : (S, (Z), Y, X) array or None
        Shape channels, where there are such.
    """

    classes: NDArray[Any]
    certainty: NDArray[np.float32] | None = None
    shapes: NDArray[Any] | None = None

    def cut(self, box: Box) -> "Seen":
        """Give what is known of a part."""
        parts = box.slices
        return Seen(
            self.classes[parts],
            None if self.certainty is None else self.certainty[parts],
            None if self.shapes is None else self.shapes[(slice(None), *parts)],
        )


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
    shapes : tuple of str
        Shapes that the channels after those of the classes tell.
    least : float or None
        Probability of all foreground classes together from which a voxel has the most probable of
        them; where None, it has the most probable of all classes.
    """

    source: Image
    values: tuple[int, ...] = ()
    foreground: bool = False
    shapes: tuple[str, ...] = ()
    least: float | None = None

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
        return cls(source, values, foreground, _recorded_shapes(source) if values else ())

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
        shapes = np.zeros((len(self.shapes), *box.shape), np.uint8) if self.shapes else None
        return Seen(np.zeros(box.shape, np.uint8), certainty, shapes)

    def _counted(self, labels: NDArray[Any]) -> NDArray[Any]:
        numbers = whole_numbers(labels, str(self.source.source or self.source.name))
        return (numbers != 0).astype(np.uint8) if self.foreground else numbers

    def _decided(self, voxels: NDArray[Any]) -> Seen:
        probabilities, shapes = np.split(voxels, [len(self.values)])
        scale = np.float32(255 if voxels.dtype == np.uint8 else 1)
        channel = self._channel(probabilities, scale)
        classes = decode_classes(channel, self.values)
        certainty = np.take_along_axis(probabilities, channel[np.newaxis], 0)[0]
        return Seen(
            (classes != 0).astype(np.uint8) if self.foreground else classes,
            certainty.astype(np.float32) / scale,
            shapes if self.shapes else None,
        )

    def _channel(self, probabilities: NDArray[Any], scale: np.float32) -> NDArray[np.intp]:
        """Choose the channel of the class of each voxel."""
        if self.least is None:
            most: NDArray[np.intp] = probabilities.argmax(axis=0)
            return most
        background = self.values.index(0)
        rest = probabilities.astype(np.float32)
        there = scale - rest[background] >= np.float32(self.least) * scale
        rest[background] = -1
        return np.where(there, rest.argmax(axis=0), background)


def _recorded_shapes(source: Image) -> tuple[str, ...]:
    record = (read_record(source.source) if source.source is not None else None) or {}
    return tuple(map(str, record.get("shapes", ())))


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
