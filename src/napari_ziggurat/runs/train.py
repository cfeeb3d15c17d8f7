"""Train: images and labels -> model, as a generator of Progress."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.networks import Model, ModelSpec, create_network, load_model, save_model
from napari_ziggurat.networks.device import resolve_device
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.outputs import output_ratios
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.place import make_folder
from napari_ziggurat.runs.step_probe import with_batch_that_fits
from napari_ziggurat.runs.train_setup import TrainSetup, prepare
from napari_ziggurat.runs.unfinished import Unfinished
from napari_ziggurat.runs.versions import versions
from napari_ziggurat.training.augment import Augmentation
from napari_ziggurat.training.equalize import calibrate_on_patches, is_equalized
from napari_ziggurat.training.fingerprint import each_with
from napari_ziggurat.training.loop import STATISTICS_BATCHES, Budget, Safe, Step, Trainee, fit
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
    """

    model: str
    steps: int
    seconds: float
    loss: float
    val_dice: Mapping[str, float] = field(default_factory=dict)
    class_shares: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        return {
            "model": self.model,
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
            "loss": round(self.loss, 4),
            "val_dice": {name: round(value, 4) for name, value in self.val_dice.items()},
            "class_shares": {n: round(value, 5) for n, value in self.class_shares.items()},
        }

    def render(self) -> str:
        """Say where the model lies and how good it is."""
        lines = [f"{self.model}: {self.steps} steps in {self.seconds:.0f} s, loss {self.loss:.3f}"]
        lines += [f"  validation Dice {value:.3f}  {name}" for name, value in self.val_dice.items()]
        return "\n".join(lines)


def train(config: TrainConfig) -> Run[TrainResult]:
    """Train a network and save it with everything that is needed to use it.

    Returns
    -------
    TrainResult
        As the generator's value.

    Raises
    ------
    ZigguratError
        Something does not fit; an existing model is not touched.
    """
    device = resolve_device(config.device)
    unfinished = Unfinished.of(config)
    _refuse_existing(config, unfinished)
    parent = None if config.from_model is None else load_model(config.from_model)
    yield Progress("prepare", message="reading images and labels")
    setup = yield from prepare(config, device, parent, unfinished.shapes)
    if unfinished.shapes is None:
        setup = with_batch_that_fits(setup, device)
    yield Progress("prepare", message="\n".join(setup.reasons))
    safe = Safe(unfinished.path, _facts(setup, unfinished))
    goes_on = unfinished.goes_on(safe.settings)
    if goes_on:
        yield Progress("prepare", message="going on with the training that was interrupted")
    torch.manual_seed(config.seed)
    network = create_network(setup.network)
    if parent is not None:
        network.load_state_dict(parent.network.state_dict(), strict=True)
    _refuse_other_outputs(network, config)
    trainee = Trainee(network, setup.sampler, Augmentation(setup.symmetry), setup.recipe, device)
    if not goes_on:  # what was measured is kept with the rest
        yield from _equalize(trainee, setup)
    done = yield from _fit(trainee, setup, safe)
    shares = yield from correct_shares(trainee, setup)
    result = TrainResult(str(config.out), done.number, done.elapsed, done.loss, class_shares=shares)
    save_model(Model(_spec(setup, result, parent), network), config.out)
    if setup.validation:  # the model is safe by now, whatever becomes of this
        yield Progress("validate", message="comparing with the validation labels")
        result = replace(result, val_dice=_validate(network, setup))
        save_model(Model(_spec(setup, result, parent), network), config.out)
    unfinished.remove()
    yield Progress("train", 1, 1)
    return result


def _refuse_other_outputs(network: SegmentationNetwork, config: TrainConfig) -> None:
    """Refuse weights of the loss that do not belong to one output each."""
    weights = config.deep_supervision
    if weights is not None and (there := len(output_ratios(network))) != len(weights):
        raise InputError(
            f"--deep-supervision gives {len(weights)} weights, and network "
            f"'{network.config.name}' has {there} outputs here; give {there}, best first."
        )


def _facts(setup: TrainSetup, unfinished: Unfinished) -> dict[str, Any]:
    """Give what has to be the same for an interrupted training to go on."""
    data = setup.data
    return unfinished.facts(
        data={
            "classes": data.code.values,
            "labels": data.digest,
            "images": setup.images_digest,
        },
        network=setup.network.model_dump(mode="json"),
        intensity=asdict(setup.intensity),
        shapes={"patch": setup.shape.patch, "batch": setup.shape.batch},
    )


def _fit(trainee: Trainee, setup: TrainSetup, safe: Safe) -> Run[Step]:
    """Train; give the last step."""
    budget = _budget(setup)
    for step in fit(trainee, budget, safe):
        if step.number % _SHOWN_EVERY == 0 or step.used >= 1:
            yield _progress(budget, step)
    return step


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
    shares = estimate_shares(trainee)
    trainee.network.shift.copy_(torch.from_numpy(shares.shift))
    named = [c.name for c in setup.classes]
    told = ", ".join(
        f"{name} {share:.1%} (painted as {taught:.0%})"
        for name, share, taught in zip(named, shares.estimated, shares.taught, strict=True)
    )
    yield Progress("train", message=f"estimated part of the images: {told}")
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


def _spec(setup: TrainSetup, result: TrainResult, parent: Model | None) -> ModelSpec:
    image, shape = setup.data.volumes[0].image, setup.shape
    spacing = setup.data.spacing
    axes: Any = image.axes.spatial
    return ModelSpec(
        network=setup.network,
        task=setup.config.task,
        classes=setup.classes if parent is None else parent.spec.classes,
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
    )


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
