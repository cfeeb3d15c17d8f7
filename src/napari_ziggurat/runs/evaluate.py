"""Evaluate: predicted labels and true labels -> Dice and IoU, as a generator of Progress.

Everything is counted block by block, so that volumes may be larger than memory.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import MAX_CLASS
from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.metrics import Confusion, Overlap
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, Source, find_images, open_image, read_record, stem
from napari_ziggurat.images.annotation import check_one_channel, whole_numbers
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.config import EvaluateConfig
from napari_ziggurat.runs.pairs import match_files
from napari_ziggurat.runs.place import is_probabilities

__all__ = ["EvaluateResult", "FileScore", "evaluate"]

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class FileScore:
    """Score of one prediction."""

    name: str
    confusion: Confusion


@dataclass(frozen=True)
class EvaluateResult:
    """Scores of all files.

    Attributes
    ----------
    files : tuple of FileScore
        Each prediction on its own.
    names : mapping of int to str
        Class names, as far as the predictions know them.
    """

    files: tuple[FileScore, ...]
    names: Mapping[int, str]

    @property
    def pooled(self) -> Confusion:
        """Count over the voxels of all files."""
        return sum((score.confusion for score in self.files), Confusion.empty())

    @property
    def mean_dice(self) -> float | None:
        """Mean over foreground classes of the Dice pooled over all files."""
        return self.pooled.mean_dice

    def as_dict(self) -> dict[str, object]:
        """Give all scores as JSON can hold them."""
        files = [{"name": score.name, **self._scores(score.confusion)} for score in self.files]
        return {**self._scores(self.pooled), "files": files}

    def render(self) -> str:
        """Give the pooled scores as a table, and the mean Dice of each file."""
        pooled = self.pooled
        if pooled.mean_dice is None or pooled.mean_iou is None:
            return "No class is in the labels or in the prediction; there is nothing to score."
        rows = [f"{'class':<24}{'Dice':>8}{'IoU':>8}{'voxels':>14}"]
        rows += [
            f"{self._label(o.value):<24}{o.dice:8.4f}{o.iou:8.4f}{o.truth:14d}"
            for o in pooled.foreground
        ]
        rows.append(f"{'mean':<24}{pooled.mean_dice:8.4f}{pooled.mean_iou:8.4f}")
        return "\n".join([*rows, *self._file_rows()])

    def _file_rows(self) -> list[str]:
        if len(self.files) == 1:
            return []
        means = [(score.name, score.confusion.mean_dice) for score in self.files]
        width = max(24, *(len(name) + 2 for name, _ in means))
        return ["", *(f"{name:<{width}}{_number(mean)}" for name, mean in means)]

    def _scores(self, confusion: Confusion) -> dict[str, object]:
        return {
            "mean_dice": confusion.mean_dice,
            "mean_iou": confusion.mean_iou,
            "voxels": confusion.voxels,
            "classes": {str(o.value): self._class(o) for o in confusion.foreground},
        }

    def _class(self, overlap: Overlap) -> dict[str, object]:
        return {
            "name": self.names.get(overlap.value),
            "dice": overlap.dice,
            "iou": overlap.iou,
            "voxels": overlap.truth,
            "predicted_voxels": overlap.prediction,
        }

    def _label(self, value: int) -> str:
        return f"{value} {self.names[value]}" if value in self.names else str(value)


@dataclass(frozen=True)
class _Comparison:
    """A prediction, its truth and mask, opened; the three have one shape."""

    prediction: Image
    truth: Image
    truth_level: int
    mask: Image | None
    mask_level: int
    foreground: bool

    def boxes(self) -> list[tuple[int, Box]]:
        """All times and boxes."""
        boxes = list(self.prediction.boxes(0))
        return [(time, box) for time in range(self.prediction.times) for box in boxes]

    def count(self, time: int, box: Box) -> Confusion:
        """Compare one box."""
        return Confusion.count(
            _read(self.truth, self.truth_level, time, box, self.foreground),
            _read(self.prediction, 0, time, box, self.foreground),
            None if self.mask is None else self.mask.read(self.mask_level, box, time)[0] != 0,
        )


def evaluate(config: EvaluateConfig) -> Generator[Progress, None, EvaluateResult]:
    """Compare predictions with true labels.

    Parameters
    ----------
    config : EvaluateConfig
        Two files, or two folders whose files are matched by name.

    Returns
    -------
    EvaluateResult
        Counts per file and pooled; the value of the generator.

    Raises
    ------
    InputError
        A file has no partner, another shape, or values that are no classes.
    """
    pairs = _match(config.prediction, config.labels)
    masks = _find_masks(config.mask, [path for path, _ in pairs])
    scores: list[FileScore] = []
    names: dict[int, str] = {}
    for (prediction, labels), mask in zip(pairs, masks, strict=True):
        yield Progress("evaluate", len(scores), len(pairs))
        record = read_record(prediction) or {}
        names |= _class_names(record)
        _refuse_unfinished(prediction, record)
        _refuse_annotation(labels)
        foreground = (config.task or record.get("task")) == "foreground"
        comparison = _open(prediction, labels, mask, config.axes, foreground)
        if foreground and not scores:
            yield Progress("evaluate", message="Foreground: every non-zero label is class 1.")
        confusion = yield from _compare(comparison, alone=len(pairs) == 1)
        scores.append(FileScore(stem(prediction), confusion))
    yield Progress("evaluate", len(pairs), len(pairs))
    return EvaluateResult(tuple(scores), names)


def _refuse_annotation(labels: Source) -> None:
    if isinstance(labels, Path) and is_annotation(labels):
        raise InputError(
            f"'{labels}' is an annotation: what is not labelled in it would count as background. "
            "Give labels of every voxel, and say with --mask where they are complete."
        )


def _match(prediction: Source, labels: Source) -> list[tuple[Source, Source]]:
    """Pair files; the probabilities that a run wrote beside its labels are no predictions."""
    if find_images(prediction) == [prediction]:
        return match_files([prediction], [labels])
    ours = [path for path in find_images(prediction) if not is_probabilities(path)]
    theirs = find_images(labels)
    names, wanted = sorted(map(stem, ours)), sorted(map(stem, theirs))
    if names != wanted or len(set(names)) < len(names):
        return match_files([prediction], [labels])  # it says which files do not fit
    return list(zip(sorted(ours, key=stem), sorted(theirs, key=stem), strict=True))


def _compare(comparison: _Comparison, *, alone: bool) -> Generator[Progress, None, Confusion]:
    """Count all boxes; a file that is alone reports its boxes as progress."""
    boxes = comparison.boxes()
    confusion = Confusion.empty()
    for done, (time, box) in enumerate(boxes):
        if alone and done:
            yield Progress("evaluate", done, len(boxes))
        confusion += comparison.count(time, box)
    return confusion


def _find_masks(mask: Source | None, predictions: list[Source]) -> list[Source | None]:
    """One mask for all, or one per prediction by name; further masks are not used."""
    if mask is None:
        return [None] * len(predictions)
    found = find_images(mask)
    if found == [mask]:
        return [mask] * len(predictions)
    by_stem = {stem(path): path for path in found}
    missing = sorted(stem(path) for path in predictions if stem(path) not in by_stem)
    if missing:
        raise InputError(f"There is no mask in {mask} for: {', '.join(missing)}.")
    return [by_stem[stem(path)] for path in predictions]


def _class_names(record: Mapping[str, Any]) -> dict[int, str]:
    classes = record.get("classes") or []
    return {int(each["value"]): str(each["name"]) for each in classes}


def _refuse_unfinished(path: Source, record: Mapping[str, Any]) -> None:
    if record.get("status") == "running":
        raise InputError(f"{path} is not finished; run the same 'ziggurat segment' again first.")


def _open(
    prediction: Source, labels: Source, mask: Source | None, axes: str | None, foreground: bool
) -> _Comparison:
    predicted = open_image(prediction, axes=axes)
    true = open_image(labels, like=predicted)
    masked = None if mask is None else open_image(mask, like=predicted)
    for image in (predicted, true, masked):
        if image is not None:
            check_one_channel(image)
    return _Comparison(
        prediction=predicted,
        truth=true,
        truth_level=_level_like(true, predicted),
        mask=masked,
        mask_level=0 if masked is None else _level_like(masked, predicted),
        foreground=foreground,
    )


def _level_like(image: Image, prediction: Image) -> int:
    """Level that has the shape of the prediction, which may stem from a coarser level."""
    shape = prediction.levels[0].shape
    shapes = [level.shape for level in image.levels]
    if shape not in shapes or image.times != prediction.times:
        raise InputError(
            f"What is compared needs one shape: {prediction.name} is {shape} with "
            f"{prediction.times} time point(s), {image.name} is "
            f"{' or '.join(str(each) for each in shapes)} with {image.times}."
        )
    return shapes.index(shape)


def _read(image: Image, level: int, time: int, box: Box, foreground: bool) -> Labels:
    """Labels of a box as classes, ((Z), Y, X)."""
    values = whole_numbers(image.read(level, box, time)[0], image.name)
    if foreground:
        one_class: Labels = np.not_equal(values, 0).astype(np.uint8)
        return one_class
    high = values.max(initial=0)
    if high > MAX_CLASS:
        raise InputError(
            f"{image.name} holds the label {high}, but classes are 1 to {MAX_CLASS}; if its "
            "labels are objects of one class, say --task foreground."
        )
    return values.astype(np.uint8)


def _number(value: float | None) -> str:
    return "no class" if value is None else f"{value:8.4f}"
