"""Train: images and labels -> model, as a generator of Progress."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.networks import Model, ModelSpec, create_network, load_model, save_model
from napari_ziggurat.networks.device import resolve_device
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.pairs import match_files, open_pairs, to_volumes
from napari_ziggurat.runs.train_setup import TrainSetup, opener_of, prepare
from napari_ziggurat.runs.versions import versions
from napari_ziggurat.training.augment import Augmentation
from napari_ziggurat.training.fingerprint import fingerprint
from napari_ziggurat.training.loop import STATISTICS_BATCHES, Budget, Safe, Step, Trainee, fit
from napari_ziggurat.training.state import TrainingState
from napari_ziggurat.training.validation import MOST_PATCHES, validate
from napari_ziggurat.training.volumes import LabelCode

__all__ = ["TrainResult", "train"]

_SHOWN_EVERY = 10
_LOSSES = 50  # the mean loss that is told is over so many steps


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
    """

    model: str
    steps: int
    seconds: float
    loss: float
    val_dice: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        return {
            "model": self.model,
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
            "loss": round(self.loss, 4),
            "val_dice": {name: round(value, 4) for name, value in self.val_dice.items()},
        }

    def render(self) -> str:
        """Say where the model lies and how good it is."""
        lines = [f"{self.model}: {self.steps} steps in {self.seconds:.0f} s, loss {self.loss:.3f}"]
        lines += [f"  validation Dice {value:.3f}  {name}" for name, value in self.val_dice.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Done:
    """How far the training went, interruptions included."""

    steps: int = 0
    seconds: float = 0.0
    loss: float = float("nan")


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
    _refuse_existing(config)
    device = resolve_device(config.device)
    going_on = _check_unfinished(config)
    parent = None if config.from_model is None else load_model(config.from_model)
    yield Progress("prepare", message="reading images and labels")
    setup = prepare(config, device, parent)
    yield Progress("prepare", message="\n".join(setup.reasons))
    if going_on:
        yield Progress("prepare", message="going on with the training that was interrupted")
    torch.manual_seed(config.seed)
    network = create_network(setup.network)
    if parent is not None:
        network.load_state_dict(parent.network.state_dict(), strict=True)
    done = yield from _fit(network, setup, device)
    scores = _validate(network, setup)
    result = TrainResult(str(config.out), done.steps, done.seconds, done.loss, scores)
    save_model(Model(_spec(setup, result, parent), network), config.out)
    _unfinished(config).unlink(missing_ok=True)
    yield Progress("train", 1, 1, message=result.render())
    return result


def _fit(network: torch.nn.Module, setup: TrainSetup, device: torch.device) -> Run[_Done]:
    config = setup.config
    budget = _budget(setup)
    trainee = Trainee(network, setup.sampler, Augmentation(setup.symmetry), setup.recipe, device)
    safe = Safe(_unfinished(config), _settings(config))
    losses: deque[float] = deque(maxlen=_LOSSES)
    done = _Done()
    for step in fit(trainee, budget, safe):
        losses.append(step.loss)
        done = _Done(step.number, step.elapsed, sum(losses) / len(losses))
        if step.number % _SHOWN_EVERY == 0 or step.used >= 1:
            yield _progress(budget, step, done)
    return done


def _budget(setup: TrainSetup) -> Budget:
    config = setup.config
    if config.minutes is None:
        return Budget(steps=config.steps)
    forwards = STATISTICS_BATCHES + bool(config.val_image) * MOST_PATCHES / setup.shape.batch
    return Budget(seconds=config.minutes * 60, forwards=forwards)


def _progress(budget: Budget, step: Step, done: _Done) -> Progress:
    """Count steps, or seconds where time is what ends the training."""
    metrics = {"loss": done.loss, "steps_per_second": done.steps / done.seconds}
    if budget.steps is not None:
        return Progress("train", step.number, budget.steps, metrics=metrics)
    seconds = max(1, round(budget.seconds or 0))
    return Progress("train", int(step.used * seconds), seconds, metrics=metrics)


def _validate(network: torch.nn.Module, setup: TrainSetup) -> dict[str, float]:
    config = setup.config
    if not config.val_image:
        return {}
    pairs = open_pairs(match_files(config.val_image, config.val_labels), opener_of(config))
    code = LabelCode(setup.code.values, dense=True, foreground=setup.code.foreground)
    volumes = to_volumes(pairs, code, config.level)
    own, shared = fingerprint(volumes, setup.sampler.index)[1], setup.intensity
    each = own if shared.scope == "image" else [shared] * len(volumes)
    scores = validate(network, volumes, each, setup.shape.patch, flat=setup.flat)
    names = {c.value: c.name for c in setup.classes}
    return {names[value]: score for value, score in scores.items()}


def _spec(setup: TrainSetup, result: TrainResult, parent: Model | None) -> ModelSpec:
    image, shape = setup.volumes[0].image, setup.shape
    spacing = setup.spacing
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
            "reasons": list(setup.reasons),
            "config": setup.config.model_dump(mode="json", exclude_none=True),
        },
        versions=versions(),
    )


def _refuse_existing(config: TrainConfig) -> None:
    if (config.out / "model.json").exists() and not config.overwrite:
        raise ExistsError(
            f"'{config.out}' holds a model already. Give another --out, or --overwrite to "
            "replace it."
        )
    if config.out.is_file():
        raise ExistsError(f"'{config.out}' is a file; a model is a folder. Give another --out.")
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"'{config.out}' cannot be made ({error.strerror}). Give an --out in a folder that "
            "you may write to."
        ) from error


def _check_unfinished(config: TrainConfig) -> bool:
    """Tell whether an unfinished training of the same settings is there; refuse another one."""
    path = _unfinished(config)
    if not path.is_file():
        return False
    if config.overwrite:
        path.unlink()
        return False
    found, wanted = TrainingState.settings(path), _settings(config)
    if differs := sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k)):
        raise ExistsError(
            f"'{config.out}' holds an unfinished training with other settings (different "
            f"{', '.join(differs)}). Give another --out, or --overwrite to start anew."
        )
    return True


def _unfinished(config: TrainConfig) -> Path:
    return config.out / ".training.safetensors"


def _settings(config: TrainConfig) -> dict[str, Any]:
    """Give what decides a training."""
    return config.model_dump(mode="json", exclude={"overwrite", "out"})
