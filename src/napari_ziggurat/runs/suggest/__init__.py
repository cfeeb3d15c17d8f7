"""Suggest: where to annotate next, the boxes of an image that a model is least sure of."""

import time
from functools import partial

from napari_ziggurat.images import Image, open_image
from napari_ziggurat.inference.spots import Spot
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.networks.uncertainty import UncertainNetwork
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import SuggestConfig
from napari_ziggurat.runs.plan.level import box_between
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.suggest.choose import choose_survey
from napari_ziggurat.runs.suggest.looking import look_again, look_everywhere
from napari_ziggurat.runs.suggest.result import Suggestion, SuggestResult, check_file, write_file
from napari_ziggurat.runs.suggest.task import Task

__all__ = ["SuggestResult", "Suggestion", "suggest", "suggest_boxes"]

_LOOKED_AT_AGAIN = 4  # places, for each box that is wanted


def suggest(config: SuggestConfig) -> Run[SuggestResult]:
    """Find the boxes of an image that are worth annotating most.

    Parameters
    ----------
    config : SuggestConfig
        Which image, with which model, how many.

    Returns
    -------
    SuggestResult
        As the generator's value.

    Raises
    ------
    ZigguratError
        Something does not fit, the place of the file is taken, or a voxel is NaN or infinite.
    """
    check_file(config.out, overwrite=config.overwrite)
    image = open_image(
        config.image, axes=config.axes, spacing=config.spacing, unit=config.unit,
        nan_as=config.nan_as,
    )  # fmt: skip
    result = yield from suggest_boxes(image, load_model(config.model), config)
    if config.out is not None:
        write_file(result, config.out)
    return result


def suggest_boxes(
    image: Image, model: Model, config: SuggestConfig, block: tuple[int, ...] | None = None
) -> Run[SuggestResult]:
    """Find the boxes of an image that is open already; as `suggest` otherwise.

    Parameters
    ----------
    image, model : Image, Model
        Instead of those that the configuration names.
    config : SuggestConfig
        Everything else.
    block : tuple of int, optional
        Voxels that are read together, rounded up to whole cells. It does not change the result.
    """
    started = time.monotonic()
    task = Task.of(image, model, config)
    asks = partial(UncertainNetwork, weights=task.weights, shapes=len(model.spec.shapes))
    with Session(model, _options(config, block), asks) as session:
        choice = choose_survey(task, partial(task.survey, session))
        notes = [*choice.survey.plan.notes, *task.notes, *choice.notes]
        yield Progress("look", message="\n".join([choice.render(), *notes]))
        found = yield from look_everywhere(task, choice)
        if found.survey.plan.level > task.own:
            wanted = found.ranked(_LOOKED_AT_AGAIN * config.count)
            fine = task.survey(session, task.own)
            found = yield from look_again(task, fine, found, wanted)
    chosen = found.ranked(config.count)
    if len(chosen) < config.count:
        notes.append(_fewer_words(len(chosen), config))
        yield Progress("rank", message=notes[-1])
    return SuggestResult(
        image=str(image.source or image.name),
        level=found.survey.plan.level,
        looked_at_level=choice.survey.plan.level,
        share=choice.share,
        axes=image.axes.spatial,
        unit=image.levels[0].spacing.unit,
        boxes=tuple(_suggestion(task, number, spot) for number, spot in enumerate(chosen, 1)),
        windows=found.windows,
        notes=tuple(notes),
        times=image.times,
        seconds=time.monotonic() - started,
    )


def _options(config: SuggestConfig, block: tuple[int, ...] | None) -> SegmentOptions:
    return SegmentOptions(
        device=config.device, batch=config.batch, memory=config.memory_bytes,
        threads=config.threads, block=block,
    )  # fmt: skip


def _suggestion(task: Task, number: int, spot: Spot) -> Suggestion:
    finest = task.image.levels[0]
    box = box_between(task.image, spot.box, task.own, 0)
    sides = zip(box.start, box.stop, finest.spacing.values, finest.translation, strict=True)
    return Suggestion(
        rank=number,
        time=spot.time,
        box=str(box),
        level_box=str(spot.box),
        centre=tuple(first + (a + b - 1) / 2 * size for a, b, size, first in sides),
        score=spot.score,
        entropy=spot.entropy,
        disagreement=spot.disagreement,
        classes=dict(zip((c.name for c in task.spec.classes), spot.classes, strict=True)),
    )


def _fewer_words(found: int, config: SuggestConfig) -> str:
    there = "There is 1 box" if found == 1 else f"There are {found} boxes"
    annotated = " and is not annotated" if config.annotation is not None else ""
    return (
        f"{there}, fewer than -n {config.count}: there are no more in which there is anything to "
        f"see{annotated}. A smaller --size gives more."
    )
