"""Opened: a prediction, its truth and mask, whose voxels are the same places."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import MAX_CLASS
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box, Spacing
from napari_ziggurat.images import Image, Source, open_image
from napari_ziggurat.images.annotation import check_one_channel, whole_numbers
from napari_ziggurat.images.units import convert_length
from napari_ziggurat.runs.config import EvaluateConfig
from napari_ziggurat.runs.evaluate.kinds import Kinds

__all__ = ["Opened", "level_like", "open_pair"]

Labels = NDArray[np.integer[Any]]

_NEAR = 0.01  # spacings that differ by less are the same, written with fewer digits
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Opened:
    """A prediction, its truth and mask; the three have one shape."""

    prediction: Image
    truth: Image
    truth_level: int
    mask: Image | None
    mask_level: int
    kinds: Kinds

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is compared, ((Z), Y, X)."""
        return self.prediction.levels[0].shape

    @property
    def spacing(self) -> Spacing:
        """Of the prediction, or of the truth where only that has one."""
        ours, theirs = _spacings(self)
        return theirs if ours.unit is None and theirs.unit is not None else ours

    def boxes(self) -> list[Box]:
        """Boxes of the truth: another prediction is compared in the same ones."""
        return list(self.truth.boxes(self.truth_level))

    def read_truth(self, box: Box, time: int) -> Labels:
        """Labels of a box as whole numbers, ((Z), Y, X)."""
        return _numbers(self.truth, self.truth_level, box, time)

    def read_prediction(self, box: Box, time: int) -> Labels:
        """Labels of a box as whole numbers, ((Z), Y, X)."""
        return _numbers(self.prediction, 0, box, time)

    def read_mask(self, box: Box, time: int) -> NDArray[np.bool_] | None:
        """Voxels of a box that count, ((Z), Y, X); None where all do."""
        if self.mask is None:
            return None
        inside: NDArray[np.bool_] = self.mask.read(self.mask_level, box, time)[0] != 0
        return inside

    def classes(self, values: Labels, name: str) -> NDArray[np.uint8]:
        """Give labels as classes.

        Raises
        ------
        InputError
            A label is no class.
        """
        if self.kinds.foreground:
            return np.not_equal(values, 0).astype(np.uint8)
        high = values.max(initial=0)
        if high > MAX_CLASS:
            raise InputError(
                f"{name} holds the label {high}, but classes are 1 to {MAX_CLASS}; if its labels "
                "are objects, say --objects ids, or --task foreground to score them as one class."
            )
        return values.astype(np.uint8)


def open_pair(
    prediction: Source, labels: Source, mask: Source | None, config: EvaluateConfig, kinds: Kinds
) -> Opened:
    """Open what is compared.

    Raises
    ------
    InputError
        The shapes or spacings differ, or there are several channels.
    """
    said: dict[str, Any] = {"spacing": config.spacing, "unit": config.unit}
    predicted = open_image(prediction, axes=config.axes, **said)
    # the truth may have further levels, of which another one has the size that is said
    true = open_image(labels, like=predicted)
    masked = None if mask is None else open_image(mask, like=predicted)
    for image in (predicted, true, masked):
        if image is not None:
            check_one_channel(image)
    opened = Opened(
        prediction=predicted,
        truth=true,
        truth_level=level_like(true, predicted),
        mask=masked,
        mask_level=0 if masked is None else level_like(masked, predicted),
        kinds=kinds,
    )
    if config.spacing is None:
        _check_spacing(opened)
    return opened


def level_like(image: Image, prediction: Image) -> int:
    """Level that has the shape of the prediction, which may stem from a coarser level.

    Raises
    ------
    InputError
        There is none.
    """
    shape = prediction.levels[0].shape
    shapes = [level.shape for level in image.levels]
    if shape not in shapes or image.times != prediction.times:
        raise InputError(
            f"What is compared needs one shape: {prediction.name} is {shape} with "
            f"{prediction.times} time point(s), {image.name} is "
            f"{' or '.join(str(each) for each in shapes)} with {image.times}."
        )
    return shapes.index(shape)


def _spacings(opened: Opened) -> tuple[Spacing, Spacing]:
    return (
        opened.prediction.levels[0].spacing,
        opened.truth.levels[opened.truth_level].spacing,
    )


def _check_spacing(opened: Opened) -> None:
    """Refuse sizes that contradict each other; a side that does not know its own agrees."""
    ours, theirs = _spacings(opened)
    if ours.unit is None or theirs.unit is None:
        return
    converted = [convert_length(value, theirs.unit, ours.unit) for value in theirs.values]
    if any(
        other is None or abs(other - own) > _NEAR * own
        for own, other in zip(ours.values, converted, strict=True)
    ):
        raise InputError(
            f"What is compared needs one voxel size: {opened.prediction.name} has {ours}, "
            f"{opened.truth.name} has {theirs}. Say which is right with --spacing and --unit."
        )


def _numbers(image: Image, level: int, box: Box, time: int) -> Labels:
    stored = image.read(level, box, time)[0]
    values: Labels = whole_numbers(stored, image.name)
    high = int(values.max(initial=0))
    exact = 2 ** (np.finfo(stored.dtype).nmant + 1) if stored.dtype.kind == "f" else _LARGEST_ID
    if high > exact:
        raise InputError(
            f"{image.name} holds the label {high}; as {stored.dtype} labels above {exact} run "
            "together or cannot be counted. Save ids as integers, numbered from 1."
        )
    return values
