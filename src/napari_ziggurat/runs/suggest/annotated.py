"""Annotated: how much of a box is labelled already."""

from dataclasses import dataclass

import numpy as np

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, Source, open_image
from napari_ziggurat.images.annotation import check_one_channel
from napari_ziggurat.runs.plan.level import box_between

__all__ = ["Annotated"]


@dataclass(frozen=True)
class Annotated:
    """Labels of an image, of which only is asked where they are.

    Attributes
    ----------
    labels, image : Image
        The labels, and the image that they are of.
    level : int
        Level of the image whose grid the labels have.
    """

    labels: Image
    image: Image
    level: int

    @classmethod
    def open(cls, path: Source, image: Image) -> "Annotated":
        """Open labels or an annotation.

        Raises
        ------
        InputError
            They lie on the grid of no level, or have other times or several channels.
        """
        labels = open_image(path, like=image)
        check_one_channel(labels)
        shapes = [level.shape for level in image.levels]
        shape = labels.levels[0].shape
        if shape not in shapes or labels.times not in (1, image.times):
            raise InputError(
                f"--annotation needs the grid of a level of the image: {labels.name} is {shape} "
                f"with {labels.times} time point(s), {image.name} is "
                f"{' or '.join(map(str, shapes))} with {image.times}."
            )
        return cls(labels, image, shapes.index(shape))

    def share(self, box: Box, level: int, time: int) -> float:
        """Tell which share of a box of a level of the image is labelled."""
        here = box_between(self.image, box, level, self.level)
        moment = min(time, self.labels.times - 1)
        value = self.labels.constant(0, here, moment)
        labels = self.labels.read(0, here, moment) if value is None else value
        return np.count_nonzero(labels) / labels.size
