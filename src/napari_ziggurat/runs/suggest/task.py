"""Task: an image in which boxes are looked for, and what a person said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image
from napari_ziggurat.inference.spots import Spot, SpotFinder
from napari_ziggurat.networks import Model, ModelSpec
from napari_ziggurat.networks.outputs import output_ratios
from napari_ziggurat.runs.config import SuggestConfig
from napari_ziggurat.runs.plan.level import box_at_level, choose_level
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.suggest.annotated import Annotated
from napari_ziggurat.runs.suggest.survey import Survey

__all__ = ["Task"]

_ONE_OUTPUT = (
    "The network has one supervised output, so that nothing can disagree: the score is what that "
    "output is unsure of."
)


@dataclass(frozen=True, eq=False)
class Task:
    """What is looked for, and where.

    Attributes
    ----------
    image : Image
        What is looked at.
    spec : ModelSpec
        With what.
    config : SuggestConfig
        What was said of it.
    own : int
        Level at which boxes are judged in the end: the one that fits the model, or a finer one
        where that was asked for.
    box : Box
        What is looked at, in voxels of level 0.
    size : tuple of float
        Wished size of a box in the unit of the image.
    weights : tuple of float
        Of each output of the network in training; none where they were not chosen.
    notes : tuple of str
        What a person should know, a sentence each.
    annotated : Annotated or None
        What is labelled already.
    """

    image: Image
    spec: ModelSpec
    config: SuggestConfig
    own: int
    box: Box
    size: tuple[float, ...]
    weights: tuple[float, ...]
    notes: tuple[str, ...]
    annotated: Annotated | None

    @classmethod
    def of(cls, image: Image, model: Model, config: SuggestConfig) -> Self:
        """Check what was said against the image and the model.

        Raises
        ------
        InputError
            Something does not fit.
        """
        choice, asked = choose_level(image, model.spec), config.level
        if asked is not None:
            image.check_level(asked)
        own = choice.level if asked is None else min(asked, choice.level)
        notes = [choice.why] if choice.why and asked is None else []
        outputs = len(output_ratios(model.network))
        notes += [_ONE_OUTPUT] if outputs == 1 else []
        _check_time(image, config.time)
        there = None if config.annotation is None else Annotated.open(config.annotation, image)
        return cls(
            image, model.spec, config, own, _region(image, config.box),
            _size(image, model.spec, own, config.size), _weights(model.spec, outputs),
            tuple(notes), there,
        )  # fmt: skip

    @property
    def times(self) -> Sequence[int]:
        """Time points."""
        asked = self.config.time
        return range(self.image.times) if asked is None else (asked,)

    def survey(self, session: Session, level: int) -> Survey:
        """Plan how a level is looked at."""
        there = session.with_changes(
            level=level, box=str(box_at_level(self.image, level, self.box))
        )
        plan = there.plan(self.image)
        voxel = self.image.levels[level].spacing.values
        shape = tuple(max(1, round(s / v)) for s, v in zip(self.size, voxel, strict=True))
        finder = SpotFinder(plan.lattice, shape, plan.region, session.predictor)
        return Survey(there, plan, finder, self.times)

    def accepts(self, level: int, spot: Spot) -> bool:
        """Tell whether a spot of a level is not annotated yet."""
        if self.annotated is None:
            return True
        return self.annotated.share(spot.box, level, spot.time) <= self.config.annotated


def _check_time(image: Image, time: int | None) -> None:
    if time is not None and time >= image.times:
        raise InputError(f"{image.name} has no time {time}; it has 0 to {image.times - 1}.")


def _region(image: Image, text: str | None) -> Box:
    whole = Box.whole(image.levels[0].shape)
    box = whole if text is None else Box.parse(text)
    if box.ndim != whole.ndim or not whole.contains(box) or box.size == 0:
        raise InputError(
            f"The box {box} must lie inside the image, which is {whole} at level 0 "
            f"({image.axes.spatial})."
        )
    return box


def _size(
    image: Image, spec: ModelSpec, own: int, asked: tuple[int, ...] | None
) -> tuple[float, ...]:
    if asked is not None and len(asked) != len(spec.axes):
        raise InputError(
            f"--size needs one size per spatial axis of the image, that is {len(spec.axes)}; got "
            f"{','.join(map(str, asked))}."
        )
    voxels = asked or spec.training.get("patch") or _cell(spec)
    voxel = image.levels[own].spacing.values
    return tuple(float(n) * v for n, v in zip(voxels, voxel, strict=True))


def _weights(spec: ModelSpec, outputs: int) -> tuple[float, ...]:
    said = spec.training.get("config") or {}
    weights = tuple(said.get("deep_supervision") or ())
    return weights if len(weights) == outputs else ()  # a pruned model has fewer


def _cell(spec: ModelSpec) -> tuple[int, ...]:
    """Give what a window decides: for models from before the patch was written down."""
    return tuple(w - 2 * r for w, r in zip(spec.window, spec.rim, strict=True))
