"""Evaluate: predicted labels and true labels -> measures, as a generator of Progress.

Everything is counted block by block, so that volumes may be larger than memory.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.gathering import ObjectKind
from napari_ziggurat.evaluation.surface import MOST_POINTS
from napari_ziggurat.images import Source, open_image, read_record, stem
from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.config import EvaluateConfig
from napari_ziggurat.runs.evaluate.against import Contest, compare_results
from napari_ziggurat.runs.evaluate.compare import FileScore, compare
from napari_ziggurat.runs.evaluate.figure import (
    MOST_THUMBNAILS,
    Scatter,
    check_figure,
    save_figure,
)
from napari_ziggurat.runs.evaluate.files import (
    class_names,
    find_beside,
    match,
    refuse_annotation,
    refuse_unfinished,
)
from napari_ziggurat.runs.evaluate.kinds import Kinds
from napari_ziggurat.runs.evaluate.opened import Opened, level_like, open_pair
from napari_ziggurat.runs.evaluate.pool import choose_bounds
from napari_ziggurat.runs.evaluate.result import EvaluateResult
from napari_ziggurat.runs.evaluate.thumbnails import find_worst, look

__all__ = ["EvaluateResult", "FileScore", "evaluate"]


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
        A file has no partner, another shape or spacing, or values that are no classes or ids.
    """
    if config.figure is not None:
        check_figure(config.figure, overwrite=config.overwrite)
    scored = yield from _score(config, config.prediction)
    contest = None
    if config.against is not None:
        contest = yield from _contest(config, config.against, scored)
    result = EvaluateResult(
        files=tuple(scored.files),
        names=scored.names,
        unit=scored.unit,
        objects=scored.kind is not None,
        bounds=choose_bounds(config, scored.files) if scored.kind else None,
        contest=contest,
        figure=None if config.figure is None else str(config.figure),
    )
    if config.figure is not None:
        yield Progress("figure", message=f"Figure: {config.figure}")
        _draw(result, scored, config.figure)
    return result


@dataclass
class _Scored:
    """What was found in the files so far."""

    images: list[Source | None]
    files: list[FileScore] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    kind: ObjectKind | None = None
    unit: str | None = None

    def take(self, file: FileScore, opened: Opened) -> None:
        """Keep a file that was scored."""
        self.files.append(file)
        self.opened.append(opened)


def _score(config: EvaluateConfig, prediction: Source) -> Generator[Progress, None, _Scored]:
    """Compare all files of a prediction with their truth."""
    pairs = match(prediction, config.labels)
    ours = [path for path, _ in pairs]
    masks = find_beside("mask", config.mask, ours)
    scored = _Scored(find_beside("image", config.image, ours))
    for (path, labels), mask in zip(pairs, masks, strict=True):
        yield Progress("evaluate", len(scored.files), len(pairs))
        kinds = _kinds(config, path, labels, scored)
        _check_use(config, kinds, len(pairs))
        opened = open_pair(path, labels, mask, config, kinds)
        _check_image(scored.images[len(scored.files)], opened)
        scored.unit = _one_unit(scored.unit, opened)
        if not scored.files:
            for note in kinds.notes:
                yield Progress("evaluate", message=note)
        file = yield from compare(stem(path), opened, config.tolerance, alone=len(pairs) == 1)
        for note in _left_out(file):
            yield Progress("evaluate", message=note)
        scored.take(file, opened)
    yield Progress("evaluate", len(pairs), len(pairs))
    return scored


def _kinds(config: EvaluateConfig, ours: Source, labels: Source, scored: _Scored) -> Kinds:
    """Read the record of a prediction, and refuse what cannot be compared."""
    record: dict[str, Any] = dict(read_record(ours) or {})
    refuse_unfinished(ours, record)
    refuse_annotation(labels)
    scored.names |= class_names(record)
    kinds = Kinds.of(config, record)
    scored.kind = kinds.truth
    return kinds


def _check_use(config: EvaluateConfig, kinds: Kinds, files: int) -> None:
    """Refuse options that need objects, or several files, where there are none."""
    if kinds.truth is None and (config.figure or config.sizes):
        option = "--figure" if config.figure else "--sizes"
        raise InputError(
            f"{option} is about objects, and it is not said what an object is; say --objects ids "
            "(each label is one) or --objects components (each connected piece of a class)."
        )
    if kinds.truth is None and config.against and files == 1:
        raise InputError(
            "How sure a difference is can be told over several files, or over the objects of one; "
            "give --against with folders, or say --objects."
        )


def _check_image(image: Source | None, opened: Opened) -> None:
    """Refuse an image that the figure could not show, before anything is computed."""
    if image is not None:
        level_like(open_image(image), opened.prediction)


def _one_unit(unit: str | None, opened: Opened) -> str | None:
    """Refuse files in different units: their lengths would be added up."""
    own = opened.spacing.unit
    if own is not None and unit not in (None, own):
        raise InputError(
            f"Files that are scored together need one unit: {opened.prediction.name} is in {own}, "
            f"those before in {unit}. Say which is right with --spacing and --unit."
        )
    return own or unit


def _left_out(file: FileScore) -> list[str]:
    """Say which surfaces were too large."""
    values = sorted({each.value for each in file.comparisons if each.distances is None})
    return [
        f"{file.name}: the surface of class {value} has more than {MOST_POINTS} voxels; surface "
        "Dice and Hausdorff distance are left out. Score a smaller part to have them."
        for value in values
    ]


def _contest(
    config: EvaluateConfig, other: Source, scored: _Scored
) -> Generator[Progress, None, Contest | None]:
    """Score another prediction of the same objects, and compare."""
    same = config.model_copy(update={"objects": scored.kind})
    theirs = yield from _score(same, other)
    return compare_results(str(other), scored.files, theirs.files, objects=scored.kind is not None)


def _draw(result: EvaluateResult, scored: _Scored, path: Path) -> None:
    """Draw scores by size and the worst objects."""
    values = result.pool.object_values
    chosen = [c for file in scored.files for c in file.comparisons if c.value in values]
    worst = [
        look(place, scored.opened[place.file], scored.images[place.file])
        for place in find_worst(scored.files, values, MOST_THUMBNAILS)
    ]  # fmt: skip
    save_figure(Scatter.of(chosen, result.bounds), worst, result.size_words, path)
