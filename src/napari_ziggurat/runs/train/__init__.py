"""Train: images and labels -> model, as a generator of Progress."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.networks.device import resolve_device
from napari_ziggurat.networks.lineage import weights_digest
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.outputs import output_ratios
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.output.place import make_folder
from napari_ziggurat.runs.retrain.beside import find_beside, take_over
from napari_ziggurat.runs.retrain.mix import mix_round
from napari_ziggurat.runs.retrain.record import record_data
from napari_ziggurat.runs.retrain.start import count_before, start_network
from napari_ziggurat.runs.setup.step_probe import with_batch_that_fits
from napari_ziggurat.runs.setup.train_setup import TrainSetup, prepare
from napari_ziggurat.runs.train.corrections import Correction, correct_shares, equalize
from napari_ziggurat.runs.train.ending import Made, end, raise_failure
from napari_ziggurat.runs.train.result import TrainResult, result_of
from napari_ziggurat.runs.train.thresholds import fit_thresholds
from napari_ziggurat.runs.train.unfinished import Unfinished
from napari_ziggurat.training.augment import Augmentation
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
from napari_ziggurat.training.shares import SHARES_BATCHES
from napari_ziggurat.training.validation import MOST_PATCHES

__all__ = ["TrainResult", "train"]

_SHOWN_EVERY = 10


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
        return result_of(take_over(beside, config.out), config.out)
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
        yield from equalize(trainee, setup)
    done, diverged = yield from _fit(trainee, setup, safe)
    corrected = yield from correct_shares(trainee, setup, mix.held)
    corrected = yield from fit_thresholds(network, setup, mix.held, corrected)
    result = _result(config, done, corrected)
    made = Made(mix, parent, network, record_data(mix), result, before, diverged)
    result = yield from end(made)
    unfinished.remove()
    raise_failure(result, diverged, config)
    yield Progress("train", 1, 1)
    return result


def _trainee(network: SegmentationNetwork, setup: TrainSetup, device: torch.device) -> Trainee:
    """Give the network what it is trained with; one with a parent is drawn to it."""
    config, pull = setup.config, None
    if config.from_model is not None:
        pull = Pull.of(network.to(device), config.encoder_rate, config.pull)
    augmentation = Augmentation(setup.symmetry)
    return Trainee(network, setup.sampler, augmentation, setup.recipe, device, pull)


def _found_beside(config: TrainConfig, parent: Model) -> Path | None:
    """Find a round that was kept beside and is to be taken over."""
    if not config.accept:
        return None
    return find_beside(config, weights_digest(parent.network.state_dict()))


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


def _result(config: TrainConfig, done: Step, corrected: Correction) -> TrainResult:
    shares, words = corrected.shares, corrected.words
    length = (done.number, done.elapsed, done.loss)
    return TrainResult(str(config.out), *length, class_shares=shares, corrections=words)


def _budget(setup: TrainSetup) -> Budget:
    config = setup.config
    if config.minutes is None:
        return Budget(steps=config.steps)
    forwards = STATISTICS_BATCHES + bool(setup.validation) * MOST_PATCHES / setup.shape.batch
    forwards += setup.corrects_shares * 2 * SHARES_BATCHES  # anywhere, and on strokes
    return Budget(seconds=config.minutes * 60, forwards=forwards)


def _progress(budget: Budget, step: Step) -> Progress:
    """Count steps, or seconds where time is what ends the training."""
    metrics = {"loss": step.loss, "steps_per_second": step.number / step.elapsed}
    if budget.steps is not None:
        return Progress("train", step.number, budget.steps, metrics=metrics)
    seconds = max(1, round(budget.seconds or 0))
    return Progress("train", int(step.used * seconds), seconds, metrics=metrics)


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
