"""Record: what a round was trained on, as its model keeps it."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import nn

from napari_ziggurat.images.statistics import sample_digest
from napari_ziggurat.networks import Model, Round, TrainedOn
from napari_ziggurat.networks.lineage import weights_digest
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.retrain.mix import Mix
from napari_ziggurat.runs.setup.earlier import whole_name
from napari_ziggurat.runs.setup.newest import count_strokes
from napari_ziggurat.runs.setup.train_data import TrainData

__all__ = ["record_data", "record_round", "rounds_before"]


def record_round(network: nn.Module, place: Path, told: Mapping[str, Any]) -> Round:
    """Take down a round that ends with these weights.

    Parameters
    ----------
    network : Module
        What was trained.
    place : Path
        Folder that the model is written to.
    told : mapping
        The other attributes of `Round`.
    """
    return Round(
        model=place.name,
        path=str(place.absolute()),
        weights=weights_digest(network.state_dict()),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        **told,
    )


def rounds_before(parent: Model, folder: Path) -> tuple[Round, ...]:
    """Give the rounds of a parent; where it has no record one that says what it does know."""
    spec = parent.spec
    if spec.rounds:
        return spec.rounds
    told = spec.training
    return (
        Round(
            model=folder.name,
            path=str(folder.absolute()),
            weights=weights_digest(parent.network.state_dict()),
            steps=told.get("steps"),
            seconds=told.get("seconds"),
            loss=told.get("loss"),
        ),
    )


def record_data(mix: Mix) -> tuple[TrainedOn, ...]:
    """Take down the images of a round that are new, with what was held out of them."""
    config, data = mix.setup.config, mix.setup.data
    return tuple(
        _trained_on(config, data, pair, mix.blocks.get(pair, ()))
        for pair in range(data.new)
        if all(each.source is not None for each in data.pairs[pair])
    )


def _trained_on(
    config: TrainConfig, data: TrainData, pair: int, blocks: tuple[str, ...]
) -> TrainedOn:
    image, labels = data.pairs[pair]
    assert image.source is not None  # there is nothing to record otherwise
    assert labels.source is not None
    level = data.volumes[data.numbers(pair)[0]].level
    voxels: Counter[int] = Counter()
    for number in data.numbers(pair):
        counts = data.found[number].counts
        voxels.update({data.code.values[k - 1]: n for k, n in counts.items() if k})
    return TrainedOn(
        image=whole_name(image.source),
        labels=whole_name(labels.source),
        dense=not config.sparse,
        level=level,
        shape=image.levels[level].shape,
        image_digest=sample_digest(image, level),
        label_digest=data.label_digest(pair),
        voxels=dict(sorted(voxels.items())),
        strokes=data.strokes[pair],
        **count_strokes(labels, data.strokes[pair]),
        held_out=blocks,
        axes=config.axes,
        spacing=config.spacing,
        unit=config.unit,
        nan_as=config.nan_as,
    )
