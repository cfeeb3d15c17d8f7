"""Calibrate: images with labels -> how much each level counts for each class, kept in the model.

What coarser levels tell of where the finest one finds foreground is kept as well, for ``--gate``.

Every level is segmented into a working store, as in a run of ``segment --levels``; then all are
read block by block beside the labels. Memory does not grow with the images.
"""

import math
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.evaluation.level_weights import fit_level_weights
from napari_ziggurat.evaluation.metrics import Confusion
from napari_ziggurat.geometry import BlockGrid
from napari_ziggurat.inference.fusing import fuse
from napari_ziggurat.inference.labels import most_probable
from napari_ziggurat.networks import LevelWeights, Model, load_model, save_spec
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.calibrate.gate_fit import SegmentedLevels, fit_gates
from napari_ziggurat.runs.calibrate.instances import ObjectsCalibration, calibrate_objects
from napari_ziggurat.runs.calibrate.result import CalibrateResult, LevelScore
from napari_ziggurat.runs.calibrate.sample import VoxelSample
from napari_ziggurat.runs.config import CalibrateConfig
from napari_ziggurat.runs.output.coarse_probabilities import CoarseProbabilities
from napari_ziggurat.runs.plan.decide import with_coarse
from napari_ziggurat.runs.plan.level import choose_level
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.plan.plan import SegmentPlan
from napari_ziggurat.runs.segment.coarse import coarse_pass
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.setup.pairs import Opener, Pair, match_files, open_pairs, to_volumes
from napari_ziggurat.runs.workers.crew import Crew
from napari_ziggurat.runs.workers.fill import Share
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume

__all__ = ["calibrate"]

_FUSED_UNLESS_SAID = 3

Levels = NDArray[np.float32]


@dataclass(frozen=True)
class _Labelled:
    """A labelled volume, and what each level says of it."""

    volume: LabelledVolume
    levels: tuple[CoarseProbabilities, ...]
    grid: BlockGrid

    @property
    def segmented(self) -> SegmentedLevels:
        """The same without its labels: a gate keeps what the finest level finds."""
        boxes = [block.write_box for block in self.grid]
        return SegmentedLevels(self.levels, boxes, self.volume.time)

    def boxes(self) -> Iterator[tuple[Levels, NDArray[np.uint8]]]:
        """Give (levels, classes, (Z), Y, X) and the target of each box with a label in it."""
        for block in self.grid:
            target = self.volume.read_target(block.write_box)
            if target.any():
                found = [each.read(block.write_box, self.volume.time) for each in self.levels]
                yield np.stack(found), target


def calibrate(config: CalibrateConfig) -> Run[CalibrateResult | ObjectsCalibration]:
    """Fit how a model is used to images with labels, and write it into the model.

    It is the weights with which its levels are fused; or, for a model that tells the shapes of
    objects, how its maps become objects.

    Parameters
    ----------
    config : CalibrateConfig
        The model, and images with labels, best such that it was not trained on.

    Returns
    -------
    CalibrateResult or ObjectsCalibration
        As the generator's value.

    Raises
    ------
    InputError
        Labels and images do not fit, a level does not exist, or nothing is labelled.
    ExistsError
        The model has what is fitted, and it may not be replaced.
    """
    model = load_model(config.model)
    if model.spec.shapes and not config.levels:
        return (yield from calibrate_objects(config, model))
    return (yield from _calibrate_levels(config, model))


def _calibrate_levels(config: CalibrateConfig, model: Model) -> Run[CalibrateResult]:
    _refuse_shapes(model)
    if model.spec.level_weights is not None and not config.overwrite:
        raise ExistsError(
            f"'{config.model}' has weights of levels already. Give --overwrite to replace them; "
            "unfinished runs with --levels then start anew."
        )
    pairs = _open(config)
    numbers = config.levels or _levels_for(model, pairs)
    folder = config.model / ".calibration"
    with Session(model, _options(config, numbers)) as session:
        plans = [with_coarse(session.plan(i), numbers, session.options) for i, _ in pairs]
        yield Progress("plan", message=_words(plans, numbers))
        sizes = _sizes(plans, numbers)
        seconds = yield from _segment_levels(plans, session, folder)
    labelled = _labelled(pairs, plans, config, model, folder)
    yield Progress("fit", message="Reading labels and levels")
    weights = _fit(labelled)
    scores = _scores(labelled, weights, model)
    gates = fit_gates([each.segmented for each in labelled], model.spec)
    found = {"level_weights": LevelWeights(sizes, weights), "gate": gates}
    save_spec(model.spec.model_copy(update=found), config.model)
    shutil.rmtree(folder, ignore_errors=True)
    alone = tuple(
        LevelScore(f"level {number}", *_cost(plans, n), seconds[n], scores[n], weights[n])
        for n, number in enumerate(numbers)
    )
    fused = LevelScore("fused", *_sums(alone), sum(seconds), scores[-1])
    names = {each.value: each.name for each in model.spec.classes}
    return CalibrateResult(str(config.model), alone, fused, names, gates)


def _refuse_shapes(model: Model) -> None:
    if model.spec.shapes:
        raise InputError(
            "Levels are fused class by class, and this model tells of objects, whose boundaries "
            "are as thick as the voxels of a level; calibrate a model of another --task."
        )


def _open(config: CalibrateConfig) -> list[Pair]:
    opener = Opener(config.axes, config.spacing, config.unit, config.nan_as, not config.sparse)
    return open_pairs(match_files(config.image, config.truth), opener)


def _options(config: CalibrateConfig, numbers: Sequence[int]) -> SegmentOptions:
    return SegmentOptions(
        level=numbers[0],
        device=config.device,
        batch=config.batch,
        memory=config.memory_bytes,
        threads=config.threads,
    )


def _levels_for(model: Model, pairs: Sequence[Pair]) -> tuple[int, ...]:
    """Take the level that fits the model and what is coarser, as far as all images have it."""
    first = choose_level(pairs[0][0], model.spec).level
    count = min(len(image.levels) for image, _ in pairs)
    numbers = tuple(range(first, min(count, first + _FUSED_UNLESS_SAID)))
    if len(numbers) < 2:
        image = min((image for image, _ in pairs), key=lambda each: len(each.levels))
        raise InputError(
            f"Several levels are fused, and '{image.name}' has {len(image.levels)}, of which "
            f"{len(numbers)} is no finer than the model. Give images with a pyramid of "
            "resolutions, such as an OME-Zarr, or say --levels."
        )
    return numbers


def _cost(plans: Sequence[SegmentPlan], level: int) -> tuple[int, int]:
    """Windows of a level over all images, and the voxels in them."""
    passes = [plan.coarse[level] for plan in plans]
    voxels = sum(each.windows * math.prod(each.lattice.window_shape) for each in passes)
    return sum(each.windows for each in passes), voxels


def _sums(scores: Sequence[LevelScore]) -> tuple[int, int]:
    return sum(each.windows for each in scores), sum(each.voxels for each in scores)


def _words(plans: Sequence[SegmentPlan], numbers: Sequence[int]) -> str:
    counts = [_cost(plans, n)[0] for n in range(len(numbers))]
    each = ", ".join(f"level {n}: {count}" for n, count in zip(numbers, counts, strict=True))
    images = "1 image" if len(plans) == 1 else f"{len(plans)} images"
    return f"{images}, {sum(counts)} windows ({each})"


def _sizes(plans: Sequence[SegmentPlan], numbers: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    """Voxel size of each level in voxels of the finest; refuse images that differ in it."""
    found = [tuple(_size(plan, number) for number in numbers) for plan in plans]
    for plan, sizes in zip(plans, found, strict=True):
        if not np.allclose(sizes, found[0], rtol=0.1):
            raise InputError(
                f"Levels that are fused need one ratio in all images; in '{plan.image.name}' their "
                f"voxels are {sizes} times as large as the finest, in '{plans[0].image.name}' "
                f"{found[0]} times. Calibrate on one kind of image at a time."
            )
    return found[0]


def _size(plan: SegmentPlan, number: int) -> tuple[float, ...]:
    return tuple(round(1 / step, 4) for step in plan.upsampling(number).step)


def _segment_levels(
    plans: Sequence[SegmentPlan], session: Session, folder: Path
) -> Run[list[float]]:
    """Segment each level of each image; give the seconds that each level took."""
    passes = [(n, level, each) for n, plan in enumerate(plans)
              for level, each in enumerate(plan.coarse)]  # fmt: skip
    total, before = sum(each.windows for *_, each in passes), 0
    seconds = [0.0] * len(plans[0].coarse)
    for n, level, each in passes:
        started = time.monotonic()
        share = Share(before, total - before - each.windows)
        yield from coarse_pass(each, session, _store(folder, n, each.level), Crew(), share)
        seconds[level] += time.monotonic() - started
        before += each.windows
    return seconds


def _store(folder: Path, image: int, level: int) -> Path:
    return folder / str(image) / f"{level}.ome.zarr"


def _labelled(
    pairs: Sequence[Pair],
    plans: Sequence[SegmentPlan],
    config: CalibrateConfig,
    model: Model,
    folder: Path,
) -> list[_Labelled]:
    code = LabelCode(
        tuple(each.value for each in model.spec.classes),
        dense=not config.sparse,
        foreground=model.spec.task != "semantic",
    )
    found = []
    for n, (pair, plan) in enumerate(zip(pairs, plans, strict=True)):
        levels = tuple(
            CoarseProbabilities.of(each, _store(folder, n, each.level), plan.level)
            for each in plan.coarse
        )
        grid = BlockGrid(plan.region, plan.chunk)
        found += [_Labelled(each, levels, grid) for each in to_volumes([pair], code, plan.level)]
    return found


def _fit(labelled: Sequence[_Labelled]) -> tuple[tuple[float, ...], ...]:
    sample = VoxelSample()
    for each in labelled:
        for levels, target in each.boxes():
            sample.add(levels, target)
    if not sample:
        raise InputError("No voxel of the images is labelled, so no weights can be fitted.")
    return fit_level_weights(*sample.together())


def _scores(
    labelled: Sequence[_Labelled], weights: Sequence[Sequence[float]], model: Model
) -> list[Confusion]:
    """Count what each level finds alone, and at last what they find together."""
    values = [each.value for each in model.spec.classes]
    scores = [Confusion.empty() for _ in range(len(weights) + 1)]
    for each in labelled:
        for levels, target in each.boxes():
            truth = np.asarray([0, *values], np.uint8)[target]
            for n, found in enumerate([*levels, fuse([*levels], weights)]):
                predicted = most_probable(found, values)
                scores[n] += Confusion.count(truth, predicted, target > 0)
    return scores
