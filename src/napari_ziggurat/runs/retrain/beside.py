"""Beside: where a round lies that was not taken over, and how it is taken over later."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.networks import Model, load_model, read_spec, save_model
from napari_ziggurat.runs.config import TrainConfig

__all__ = ["find_beside", "name_beside", "take_over"]

# Neither decides what a round learns.
_FREE = {"accept", "overwrite", "tolerance"}


def name_beside(out: Path) -> Path:
    """Name a folder beside the output that holds nothing yet: ``model.not-taken``, ``...-2``."""
    return next(path for path in _names(out) if not path.exists())


def find_beside(config: TrainConfig, parent: str) -> Path | None:
    """Find the latest round beside the output that the same settings made of the same parent.

    Parameters
    ----------
    config : TrainConfig
        The settings.
    parent : str
        Digest of the parent's weights.
    """
    there = itertools.takewhile(Path.exists, _names(config.out))
    made = [path for path in there if _is_made_by(path, config, parent)]
    return made[-1] if made else None


def take_over(beside: Path, out: Path) -> Model:
    """Write a round that lies beside to the output; when it is there, remove it beside."""
    model = load_model(beside)
    spec = model.spec
    last = spec.rounds[-1].model_copy(
        update={"model": out.name, "path": str(out.absolute()), "accepted": True}
    )
    training = {**spec.training, "model": str(out)}
    rounds = (*spec.rounds[:-1], last)
    taken = Model(spec.model_copy(update={"rounds": rounds, "training": training}), model.network)
    save_model(taken, out)
    shutil.rmtree(beside)
    return taken


def _names(out: Path) -> Iterator[Path]:
    yield out.with_name(f"{out.name}.not-taken")
    for number in itertools.count(2):
        yield out.with_name(f"{out.name}.not-taken-{number}")


def _is_made_by(path: Path, config: TrainConfig, parent: str) -> bool:
    try:
        spec = read_spec(path)
    except ZigguratError:
        return False
    made: Any = dict(spec.training.get("config", {}))
    wanted = config.model_dump(mode="json", exclude_none=True)
    same = all(made.get(key) == wanted.get(key) for key in {*made, *wanted} - _FREE)
    # One without scores was interrupted before it could be judged.
    scored = len(spec.rounds) > 1 and bool(spec.rounds[-1].scores)
    return same and scored and spec.rounds[-2].weights == parent
