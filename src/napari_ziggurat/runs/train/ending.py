"""Ending: a trained network becomes a model, is scored, and goes where it belongs."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari_ziggurat.networks import Model, Round, TrainedOn, save_model
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.retrain.beside import name_beside
from napari_ziggurat.runs.retrain.mix import Mix
from napari_ziggurat.runs.retrain.record import record_round, rounds_before
from napari_ziggurat.runs.retrain.table import compare
from napari_ziggurat.runs.retrain.verdict import not_finished, not_taken_over
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.runs.train.result import TrainResult
from napari_ziggurat.runs.train.spec import spec_of
from napari_ziggurat.training.fingerprint import each_with
from napari_ziggurat.training.loop import Diverged
from napari_ziggurat.training.rounds import Counts, count_found
from napari_ziggurat.training.validation import validate

__all__ = ["Made", "end", "raise_failure"]


@dataclass(frozen=True, eq=False)
class Made:
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
        parent = None if self.parent is None else self.parent.spec
        spec = spec_of(self.mix.setup, result.as_dict(), parent, _rounds(self, result))
        save_model(Model(spec, self.network), Path(result.model))


def end(made: Made) -> Run[TrainResult]:
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


def raise_failure(result: TrainResult, diverged: Diverged | None, config: TrainConfig) -> None:
    """Raise what a person has to know of a model that is not, or not wholly, what was wanted."""
    if diverged is not None:
        failed = not_finished(diverged, result.steps, result.model)
    elif result.comparison is not None and result.worse and not config.accept:
        failed = not_taken_over(result.comparison, result.model, config)
    else:
        return
    failed.result = result  # type: ignore[attr-defined]  # the command line shows it
    raise failed


def _validate(network: SegmentationNetwork, setup: TrainSetup) -> dict[str, float]:
    """Dice by class name on the validation images."""
    volumes = setup.validation
    each = each_with(setup.intensity, volumes)
    patch = setup.shape.patch
    scores = validate(network, volumes, each, patch, flat=setup.flat, around=setup.around)
    names = {c.value: c.name for c in setup.classes}
    return {names[value]: score for value, score in scores.items()}


def _rounds(made: Made, result: TrainResult) -> tuple[Round, ...]:
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
