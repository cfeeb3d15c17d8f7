"""Train: images and labels -> model, as a generator of Progress."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.networks import Model, ModelSpec, Round, TrainedOn, load_model, save_model
from napari_ziggurat.networks.device import resolve_device
from napari_ziggurat.networks.lineage import weights_digest
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.outputs import output_ratios
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.place import make_folder
from napari_ziggurat.runs.retrain.beside import find_beside, name_beside, take_over
from napari_ziggurat.runs.retrain.mix import NOT_ENOUGH, Mix, mix_round
from napari_ziggurat.runs.retrain.record import record_data, record_round, rounds_before
from napari_ziggurat.runs.retrain.start import count_before, start_network
from napari_ziggurat.runs.retrain.table import Comparison, compare
from napari_ziggurat.runs.retrain.verdict import not_finished, not_taken_over
from napari_ziggurat.runs.step_probe import with_batch_that_fits
from napari_ziggurat.runs.train_setup import TrainSetup, prepare
from napari_ziggurat.runs.unfinished import Unfinished
from napari_ziggurat.runs.versions import versions
from napari_ziggurat.training.augment import Augmentation
from napari_ziggurat.training.equalize import calibrate_on_patches, is_equalized
from napari_ziggurat.training.fingerprint import each_with
from napari_ziggurat.training.loop import (
    STATISTICS_BATCHES,
    Budget,
    Diverged,
    Safe,
    Step,
    Trainee,
    fit,
)
from napari_ziggurat.training.pull import Pull
from napari_ziggurat.training.rounds import Counts, count_found
from napari_ziggurat.training.shares import SHARES_BATCHES, estimate_shares
from napari_ziggurat.training.validation import MOST_PATCHES, validate

__all__ = ["TrainResult", "correct_shares", "train"]

_SHOWN_EVERY = 10


@dataclass(frozen=True)
class TrainResult:
    """What a training made.

    Attributes
    ----------
    model : str
        Folder of the model.
    steps, seconds, loss
        Length of the training, and the mean loss of its last steps.
    val_dice : mapping of str to float
        Dice by class on the validation images; empty without them.
    class_shares : mapping of str to float
        How common each class is in the training images, estimated after training on strokes;
        empty after dense labels, where it is known.
    comparison : Comparison or None
        Before and after, where labels were held out.
    worse : bool
        The round lowers the mean score by more than it may.
    """

    model: str
    steps: int
    seconds: float
    loss: float
    val_dice: Mapping[str, float] = field(default_factory=dict)
    class_shares: Mapping[str, float] = field(default_factory=dict)
    comparison: Comparison | None = None
    worse: bool = False

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        compared = {} if self.comparison is None else {"comparison": self.comparison.as_dict()}
        return {
            "model": self.model,
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
            "loss": round(self.loss, 4),
            "val_dice": {name: round(value, 4) for name, value in self.val_dice.items()},
            "class_shares": {n: round(value, 5) for n, value in self.class_shares.items()},
            **compared,
        }

    def render(self) -> str:
        """Say where the model lies and how good it is."""
        lines = [f"{self.model}: {self.steps} steps in {self.seconds:.0f} s, loss {self.loss:.3f}"]
        if self.comparison is not None:
            told = self.comparison.told
            lines.append(self.comparison.render() if told else f"  {NOT_ENOUGH}")
            return "\n".join(lines)
        lines += [f"  validation Dice {value:.3f}  {name}" for name, value in self.val_dice.items()]
        return "\n".join(lines)


def train(config: TrainConfig) -> Run[TrainResult]:
    """Train a network and save it with everything that is needed to use it.

    Where it goes on from a model and makes it worse on held-out labels, what it made lies beside.

    Returns
    -------
    TrainResult
        As the generator's value.

    Raises
    ------
    ZigguratError
        Something does not fit; an existing model is not touched.
    WorkFailed
        The loss diverged, or the round made the model worse; what was made is kept, and the
        attribute ``result`` says where.
    """
    device = resolve_device(config.device)
    unfinished = Unfinished.of(config)
    _refuse_existing(config, unfinished)
    parent = None if config.from_model is None else load_model(config.from_model)
    if parent is not None and (beside := _found_beside(config, parent)):
        yield Progress("train", 1, 1, f"taking over '{beside}', which was kept beside")
        return _result_of(take_over(beside, config.out), config)
    yield Progress("prepare", message="reading images and labels")
    setup = yield from prepare(config, device, parent, unfinished.shapes)
    if unfinished.shapes is None:
        setup = with_batch_that_fits(setup, device)
    yield Progress("prepare", message="\n".join(setup.reasons))
    network = start_network(setup, parent)
    _refuse_other_outputs(network, config)
    mix = yield from mix_round(setup, network)
    setup = mix.setup
    if mix.words:
        yield Progress("prepare", message="\n".join(mix.words))
    safe = Safe(unfinished.path, _facts(setup, unfinished, parent))
    goes_on = unfinished.goes_on(safe.settings)
    if goes_on:
        yield Progress("prepare", message="going on with the training that was interrupted")
    before = count_before(parent, mix, device)
    trainee = _trainee(network, setup, device)
    if not goes_on:  # what was measured is kept with the rest
        yield from _equalize(trainee, setup)
    done, diverged = yield from _fit(trainee, setup, safe)
    shares = yield from correct_shares(trainee, setup)
    result = TrainResult(str(config.out), done.number, done.elapsed, done.loss, class_shares=shares)
    made = _Made(mix, parent, network, record_data(mix), result, before, diverged)
    result = yield from _end(made)
    unfinished.remove()
    _raise_failure(result, diverged, config)
    yield Progress("train", 1, 1)
    return result


@dataclass(frozen=True, eq=False)
class _Made:
    """What a training made, before it is known how good it is."""

    mix: Mix
    parent: Model | None
    network: SegmentationNetwork
    data: tuple[TrainedOn, ...]
    result: TrainResult
    before: Mapping[str, Counts]
    diverged: Diverged | None

    def save(self, result: TrainResult) -> None:
        """Write the model to where its result says."""
        spec = _spec(self, result)
        save_model(Model(spec, self.network), Path(result.model))


def _trainee(network: SegmentationNetwork, setup: TrainSetup, device: torch.device) -> Trainee:
    """Give the network what it is trained with; one with a parent is drawn to it."""
    config, pull = setup.config, None
    if config.from_model is not None:
        pull = Pull.of(network.to(device), config.encoder_rate, config.pull)
    augmentation = Augmentation(setup.symmetry)
    return Trainee(network, setup.sampler, augmentation, setup.recipe, device, pull)


def _end(made: _Made) -> Run[TrainResult]:
    """Save a model, score it, and save it with its scores to where it belongs."""
    setup, config = made.mix.setup, made.mix.setup.config
    waits = made.parent is not None and (made.mix.held is not None or made.diverged is not None)
    replaces = made.diverged is not None and (config.out / "model.json").exists()
    place = name_beside(config.out) if waits or replaces else config.out
    result = replace(made.result, model=str(place))
    made.save(result)  # the model is safe by now, whatever becomes of this
    if made.mix.held is None and not setup.validation:
        return result
    yield Progress("validate", message="comparing with labels that were not trained on")
    if made.mix.held is None:
        result = replace(result, val_dice=_validate(made.network, setup))
        made.save(result)
        return result
    after = count_found(made.network, setup.data.code.values, made.mix.held)
    known = [] if made.parent is None else [c.value for c in made.parent.spec.classes]
    comparison = compare(made.before, after, setup.classes, known)
    scores = {each.name: each.after for each in comparison.classes if each.after is not None}
    worse = comparison.loss > config.tolerance
    taken = made.diverged is None and (config.accept or not worse)
    final = config.out if taken else place
    result = replace(result, model=str(final), val_dice=scores, comparison=comparison, worse=worse)
    made.save(result)
    if final != place:
        shutil.rmtree(place)
    return result


def _raise_failure(result: TrainResult, diverged: Diverged | None, config: TrainConfig) -> None:
    """Raise what a person has to know of a model that is not, or not wholly, what was wanted."""
    if diverged is not None:
        failed = not_finished(diverged, result.steps, result.model)
    elif result.comparison is not None and result.worse and not config.accept:
        failed = not_taken_over(result.comparison, result.model, config)
    else:
        return
    failed.result = result  # type: ignore[attr-defined]  # the command line shows it
    raise failed


def _found_beside(config: TrainConfig, parent: Model) -> Path | None:
    """Find a round that was kept beside and is to be taken over."""
    if not config.accept:
        return None
    return find_beside(config, weights_digest(parent.network.state_dict()))


def _result_of(model: Model, config: TrainConfig) -> TrainResult:
    """Give the result that a model's record tells."""
    told = model.spec.training
    return TrainResult(
        str(config.out), told["steps"], told["seconds"], told["loss"], told["val_dice"],
        told["class_shares"], Comparison(model.spec.rounds[-1].scores, ()),
    )  # fmt: skip


def _refuse_other_outputs(network: SegmentationNetwork, config: TrainConfig) -> None:
    """Refuse weights of the loss that do not belong to one output each."""
    weights = config.deep_supervision
    if weights is not None and (there := len(output_ratios(network))) != len(weights):
        raise InputError(
            f"--deep-supervision gives {len(weights)} weights, and network "
            f"'{network.config.name}' has {there} outputs here; give {there}, best first."
        )


def _facts(setup: TrainSetup, unfinished: Unfinished, parent: Model | None) -> dict[str, Any]:
    """Give what has to be the same for an interrupted training to go on."""
    data = setup.data
    more = {} if parent is None else {"parent": weights_digest(parent.network.state_dict())}
    return unfinished.facts(
        data={
            "classes": data.code.values,
            "labels": data.digest,
            "images": setup.images_digest,
        },
        network=setup.network.model_dump(mode="json"),
        intensity=asdict(setup.intensity),
        shapes={"patch": setup.shape.patch, "batch": setup.shape.batch},
        **more,
    )


def _fit(trainee: Trainee, setup: TrainSetup, safe: Safe) -> Run[tuple[Step, Diverged | None]]:
    """Train; give the last step, and what ended it too early."""
    budget, last = _budget(setup), None
    try:
        for step in fit(trainee, budget, safe):
            last = step
            if step.number % _SHOWN_EVERY == 0 or step.used >= 1:
                yield _progress(budget, step)
    except Diverged as error:
        if last is None:
            raise
        return last, error
    assert last is not None  # a training has a step at least
    return last, None


def _equalize(trainee: Trainee, setup: TrainSetup) -> Run[None]:
    """Measure scale equalizers, if there are any, before the first step."""
    config = setup.config
    into_weights = getattr(setup.network, "equalize", "off") == "initialisation"
    trained = config.from_model is not None
    if not is_equalized(trainee.network) or (trained and into_weights):
        _refuse_unequalized(setup)
        return
    if trained and not config.recalibrate:
        yield Progress("prepare", message="scale equalizers: as measured on the data of the model; "
                       "--recalibrate measures them on these")  # fmt: skip
        return
    count = calibrate_on_patches(trainee, into_weights=into_weights)
    yield Progress("prepare", message=f"scale equalizers: measured before {count} fusion(s)")


def _refuse_unequalized(setup: TrainSetup) -> None:
    """Refuse options that need equalizers; those that went into trained weights are none."""
    config = setup.config
    asked = config.from_model is None and config.equalize in ("explicit", "initialisation")
    if config.recalibrate or asked:
        option = "--recalibrate" if config.recalibrate else "--equalize"
        raise InputError(
            f"{option} needs scale equalizers, and this network has none: it has "
            f"{setup.network.topology.levels} level(s) and --equalize "
            f"{getattr(setup.network, 'equalize', 'off')}. Leave {option} out, or train a "
            "network that fuses levels."
        )


def correct_shares(trainee: Trainee, setup: TrainSetup) -> Run[dict[str, float]]:
    """Correct the logits for classes that strokes show as more common than they are."""
    trainee.network.shift.zero_()  # a model that training went on from may have had its own
    if not setup.corrects_shares:
        return {}
    shares = estimate_shares(trainee, setup.told_shares)
    trainee.network.shift.copy_(torch.from_numpy(shares.shift))
    named = [c.name for c in setup.classes]
    told = ", ".join(
        f"{name} {share:.1%} (painted as {taught:.0%})"
        for name, share, taught in zip(named, shares.estimated, shares.taught, strict=True)
    )
    how = "told" if setup.told_shares else "estimated"
    yield Progress("train", message=f"{how} part of the images: {told}")
    return dict(zip(named, shares.estimated, strict=True))


def _budget(setup: TrainSetup) -> Budget:
    config = setup.config
    if config.minutes is None:
        return Budget(steps=config.steps)
    forwards = STATISTICS_BATCHES + bool(setup.validation) * MOST_PATCHES / setup.shape.batch
    forwards += setup.corrects_shares * SHARES_BATCHES
    return Budget(seconds=config.minutes * 60, forwards=forwards)


def _progress(budget: Budget, step: Step) -> Progress:
    """Count steps, or seconds where time is what ends the training."""
    metrics = {"loss": step.loss, "steps_per_second": step.number / step.elapsed}
    if budget.steps is not None:
        return Progress("train", step.number, budget.steps, metrics=metrics)
    seconds = max(1, round(budget.seconds or 0))
    return Progress("train", int(step.used * seconds), seconds, metrics=metrics)


def _validate(network: torch.nn.Module, setup: TrainSetup) -> dict[str, float]:
    """Dice by class name on the validation images."""
    volumes = setup.validation
    each = each_with(setup.intensity, volumes)
    patch = setup.shape.patch
    scores = validate(network, volumes, each, patch, flat=setup.flat, around=setup.around)
    names = {c.value: c.name for c in setup.classes}
    return {names[value]: score for value, score in scores.items()}


def _spec(made: _Made, result: TrainResult) -> ModelSpec:
    setup, parent = made.mix.setup, made.parent
    image, shape = setup.data.volumes[0].image, setup.shape
    spacing = setup.data.spacing
    axes: Any = image.axes.spatial
    return ModelSpec(
        network=setup.network,
        task=setup.config.task,
        classes=setup.classes,
        channels=image.channels,
        axes=axes,
        spacing=spacing.values,
        unit=spacing.unit,
        intensity=setup.intensity,
        window=shape.window if parent is None else parent.spec.window,
        rim=shape.rim if parent is None else parent.spec.rim,
        training={
            **result.as_dict(),
            "patch": list(shape.patch),
            "reasons": list(setup.reasons),
            "config": setup.config.model_dump(mode="json", exclude_none=True),
        },
        versions=versions(),
        rounds=_rounds(made, result),
    )


def _rounds(made: _Made, result: TrainResult) -> tuple[Round, ...]:
    """Give the rounds of the parent and this one."""
    config = made.mix.setup.config
    before: tuple[Round, ...] = ()
    if made.parent is not None and config.from_model is not None:
        before = rounds_before(made.parent, config.from_model)
    told = {
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "loss": result.loss,
        "scores": result.comparison.classes if result.comparison else (),
        "accepted": result.worse and config.accept,
        "data": made.data,
        "replayed": len(made.mix.setup.data.pairs) - made.mix.setup.data.new,
    }
    return (*before, record_round(made.network, Path(result.model), told))


def _refuse_existing(config: TrainConfig, unfinished: Unfinished) -> None:
    """Refuse to replace a model, unless it is told or its training has only its scores to do."""
    there = (config.out / "model.json").exists()
    if there and not config.overwrite and unfinished.found is None:
        raise ExistsError(
            f"'{config.out}' holds a model already. Give another --out, or --overwrite to "
            "replace it."
        )
    if config.out.is_file():
        raise ExistsError(f"'{config.out}' is a file; a model is a folder. Give another --out.")
    make_folder(config.out)
