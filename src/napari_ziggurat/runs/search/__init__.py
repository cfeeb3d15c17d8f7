"""Search: the connections of a NAS-FPN neck, by mutation, on a person's own images."""

import shlex
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import create_network
from napari_ziggurat.networks.device import resolve_device
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import SearchConfig, TrainConfig
from napari_ziggurat.runs.search.log import SearchLog
from napari_ziggurat.runs.search.result import SearchResult
from napari_ziggurat.runs.search.space import SearchSpace, read_composition
from napari_ziggurat.runs.setup.train_setup import TrainSetup, prepare
from napari_ziggurat.training.augment import Augmentation
from napari_ziggurat.training.climbing import REPEATS, Candidate, Climb, Trial
from napari_ziggurat.training.equalize import calibrate_on_patches, is_equalized
from napari_ziggurat.training.fingerprint import each_with
from napari_ziggurat.training.holdout import Holdout, hold_out
from napari_ziggurat.training.loop import Budget, Step, Trainee, fit
from napari_ziggurat.training.validation import validate
from napari_ziggurat.training.volumes import label_positions

__all__ = ["search"]

_SHOWN_EVERY = 10
_REPEATED_FROM = 12  # trials; in a shorter search, repeats would take the place of candidates
_MARGIN = 1.1  # of the time that is kept back for repeats, since no two trials take the same

# What a training needs to know as well, beside the images and labels.
_FOR_TRAINING = {
    "image", "labels", "annotation", "task", "level", "val_image", "val_labels", "axes", "spacing",
    "unit", "nan_as", "dims", "patch", "learning_rate",
}  # fmt: skip


@dataclass(frozen=True)
class _Bench:
    """Where candidates are trained and scored, all alike."""

    config: SearchConfig
    setup: TrainSetup
    space: SearchSpace
    held: Holdout
    device: torch.device


def search(config: SearchConfig) -> Run[SearchResult]:
    """Try pyramids and keep the best; one that was interrupted goes on, and so does a longer one.

    Returns
    -------
    SearchResult
        As the generator's value.

    Raises
    ------
    ZigguratError
        Something does not fit, or another search is in the folder.
    """
    device = resolve_device(config.device)
    composition = read_composition(config)
    log = SearchLog(config)
    yield Progress("prepare", message="reading images and labels")
    setup = yield from prepare(_as_training(config), device, None, log.shapes)
    space = SearchSpace.of(config, composition, setup.network)
    held = yield from _held_out(setup)
    bench = _Bench(config, setup, space, held, device)
    trials = log.begin(_facts(bench), (setup.shape.patch, setup.shape.batch))
    climb = Climb(space.start, space.levels, config.seed, trials)
    yield Progress("prepare", message=_intention(bench, climb))
    for candidate in _wanted(config, climb):
        trial = yield from _try(bench, climb, candidate)
        log.add(trial)
        if trial.kept:
            log.write_network(_network_file(space, climb))
        yield Progress("search", message=_told(trial, climb))
    log.write_network(_network_file(space, climb))
    log.end()
    yield Progress("search", 1, 1)
    return _result(bench, climb, log.network)


def _as_training(config: SearchConfig) -> TrainConfig:
    """Give the training that is prepared for."""
    said = config.model_fields_set & set(TrainConfig.model_fields) - {"minutes"}
    values = {field: getattr(config, field) for field in said}
    return TrainConfig(**values | {"network": config.network, "steps": config.steps})


def _held_out(setup: TrainSetup) -> Run[Holdout]:
    """Give what is scored: the validation images, or a part of the labels."""
    volumes = setup.validation
    if not volumes:
        return hold_out(setup.sampler, setup.config.seed)
    found = []
    for volume in volumes:
        found.append((yield from label_positions(volume)))
    scored = {value for each in found for value in each.positions}
    classes = {setup.data.code.values[v - 1] for v in scored & set(setup.sampler.index.positions)}
    if not classes - {0}:
        raise InputError(
            "Validation labels need voxels of a class to score on, and these hold background "
            "only. Give others with --val-labels, or leave --val-image out."
        )
    return Holdout(
        setup.sampler,
        volumes,
        each_with(setup.intensity, volumes),
        frozenset(classes),
        "scored on the validation images",
        " ".join(each.digest for each in found),
    )


def _facts(bench: _Bench) -> dict[str, object]:
    """Give what has to be the same for a search to go on, by the name it has in a message."""
    setup = bench.setup
    return {
        "parts of the network": setup.network.model_dump(mode="json"),
        "content of the images": setup.images_digest,
        "content of the labels": setup.data.digest,
        "content of the validation labels": bench.held.digest,
    }


def _intention(bench: _Bench, climb: Climb) -> str:
    """Put in words what will be done."""
    gone = [f"going on after {len(climb.trials)} trials"] if climb.trials else []
    return "\n".join((*bench.setup.reasons, bench.held.words, bench.space.words, *gone))


def _wanted(config: SearchConfig, climb: Climb) -> Iterator[Candidate]:
    """Give candidates while there is time for them, then the repeats that tell chance from gain."""
    while _climbs_on(config, climb) and (candidate := climb.propose()):
        yield candidate
    for candidate in climb.repeats():
        if config.minutes is None or _time_left(config, climb) >= climb.pace:
            yield candidate


def _climbs_on(config: SearchConfig, climb: Climb) -> bool:
    if config.candidates is not None or not climb.trials:
        return len(climb.candidates) < (config.candidates or 1)
    long = 60 * (config.minutes or 0) >= _REPEATED_FROM * climb.pace
    kept_back = 2 * REPEATS * _MARGIN if long else 0
    return _time_left(config, climb) >= (1 + kept_back) * climb.pace


def _time_left(config: SearchConfig, climb: Climb) -> float:
    return 60 * (config.minutes or 0) - climb.seconds


def _try(bench: _Bench, climb: Climb, candidate: Candidate) -> Run[Trial]:
    """Train a candidate and score it."""
    began, setup, steps = time.monotonic(), bench.setup, bench.config.steps
    torch.manual_seed(candidate.seed)
    network = create_network(bench.space.candidate(candidate.genotype))
    recipe = replace(setup.recipe, seed=candidate.seed)
    augmentation = Augmentation(setup.symmetry)
    trainee = Trainee(network, bench.held.sampler, augmentation, recipe, bench.device)
    if is_equalized(network):
        calibrate_on_patches(trainee, into_weights=bench.space.small.equalize == "initialisation")
    for step in fit(trainee, Budget(steps=steps)):
        if step.number % _SHOWN_EVERY == 0:
            yield _progress(bench.config, climb, step)
    score = _score(network, bench)
    return climb.add(candidate, steps, time.monotonic() - began, score)


def _score(network: SegmentationNetwork, bench: _Bench) -> float:
    """Mean held-out Dice of the classes that are learned."""
    held, setup = bench.held, bench.setup
    found = validate(network, held.volumes, held.intensities, setup.shape.patch, flat=setup.flat)
    scores = [score for value, score in found.items() if value in held.classes]
    return statistics.mean(scores) if scores else 0.0


def _progress(config: SearchConfig, climb: Climb, step: Step) -> Progress:
    """Count seconds, or steps where the number of candidates is what ends the search."""
    metrics = {"loss": step.loss}
    if climb.trials:
        metrics["best"] = climb.best.score
    if config.candidates is None:
        seconds = round(60 * (config.minutes or 0))
        done = round(climb.seconds + step.elapsed)
        return Progress("search", min(done, seconds), seconds, metrics=metrics)
    total = (config.candidates + 2 * REPEATS) * config.steps
    done = len(climb.trials) * config.steps + step.number
    return Progress("search", min(done, total), total, metrics=metrics)


def _told(trial: Trial, climb: Climb) -> str:
    """Put a trial in words."""
    tried, best = trial.candidate, climb.best
    seconds = f"{trial.seconds:.0f} s"
    if tried.seed != best.candidate.seed:
        return f"pyramid {tried.number} with seed {tried.seed}: Dice {trial.score:.4f}, {seconds}"
    told = f"pyramid {tried.number}: Dice {trial.score:.4f}, {seconds}"
    if tried.parent is None:
        return told
    rest = "the best so far" if trial.kept else f"the best has {best.score:.4f}"
    return f"{told}; a mutant of {tried.parent}, {rest}"


def _network_file(space: SearchSpace, climb: Climb) -> str:
    best, depth = climb.best, space.small.topology.levels
    return space.to_yaml(
        best.candidate.genotype,
        f"the best of {len(climb.candidates)} pyramids over {depth} levels (--depth {depth}); "
        f"held-out Dice {best.score:.4f} after {best.steps} steps",
    )


def _result(bench: _Bench, climb: Climb, network: Path) -> SearchResult:
    best = climb.best.candidate
    return SearchResult(
        network=str(network),
        candidates=len(climb.candidates),
        steps=bench.config.steps,
        seconds=climb.seconds,
        first=tuple(climb.scores(0)),
        best=tuple(climb.scores(best.number)),
        best_is_first=best.number == 0,
        genotype=best.genotype,
        next_command=_next_command(bench, network),
    )


def _next_command(bench: _Bench, network: Path) -> str:
    """Write the command that trains what was found."""
    config = bench.config
    given = config.model_dump(mode="json", include=_FOR_TRAINING, exclude_defaults=True)
    words = ["ziggurat", "train"]
    for field, value in given.items():
        words += _option(config.option(field), value)
    depth = str(bench.space.small.topology.levels)
    return shlex.join([*words, "--network", str(network), "--depth", depth, "--out", "MODEL"])


def _option(name: str, value: object) -> list[str]:
    """Write an option: once for each file, and numbers with commas."""
    if not isinstance(value, list):
        return [name, str(value)]
    if value and isinstance(value[0], str):
        return [word for each in value for word in (name, each)]
    return [name, ",".join(map(str, value))]
