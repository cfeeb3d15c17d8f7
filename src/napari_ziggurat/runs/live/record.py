"""Record: the round that a live training is, as its model keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from napari_ziggurat.images import open_image
from napari_ziggurat.networks import Model, Round, Score, TrainedOn
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.progress import Run
from napari_ziggurat.runs.live.labels import LiveLabels
from napari_ziggurat.runs.live.learning import Learning
from napari_ziggurat.runs.retrain.mix import Mix
from napari_ziggurat.runs.retrain.record import record_data, record_round, rounds_before
from napari_ziggurat.runs.retrain.table import compare
from napari_ziggurat.runs.setup.classes import values_in
from napari_ziggurat.runs.setup.pairs import to_volumes
from napari_ziggurat.runs.train.result import TrainResult
from napari_ziggurat.training.rounds import count_found
from napari_ziggurat.training.volumes import LabelCode, label_positions

__all__ = ["Origin", "record_live"]


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a live training comes from.

    Attributes
    ----------
    before : tuple of Round
        Of the model that it goes on from.
    began : str
        Time in UTC.
    labels : LiveLabels
        What it learns from.
    """

    before: tuple[Round, ...]
    began: str
    labels: LiveLabels

    @classmethod
    def of(cls, parent: Model | None, folder: Path | None, labels: LiveLabels) -> Self:
        """Begin now."""
        before: tuple[Round, ...] = ()
        if parent is not None:
            place = folder or Path(str(parent.spec.training.get("model", "model")))
            before = rounds_before(parent, place)
        return cls(before, datetime.now(UTC).isoformat(timespec="seconds"), labels)


def record_live(
    origin: Origin, learning: Learning, network: SegmentationNetwork, result: TrainResult
) -> Run[tuple[Round, ...]]:
    """Give the rounds of a model that is saved: those of its parent, and this training.

    Annotations and images that are files are named, so that a later training replays them; a
    training on arrays says that nothing is known of them.
    """
    strokes = origin.labels.taken
    told = {
        "began": origin.began,
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "loss": result.loss,
        "replayed": learning.replayed.images,
        "scores": _scores(learning, network),
        "data": (yield from _data(learning, strokes)),
    }
    return (*origin.before, record_round(network, Path(result.model), told))


def _scores(learning: Learning, network: SegmentationNetwork) -> Sequence[Score]:
    held, setup = learning.held.as_blocks(learning.setup), learning.setup
    if held is None:
        return ()
    found = count_found(network, setup.data.code.values, held)
    return compare({}, found, setup.classes, []).classes


def _data(learning: Learning, strokes: int) -> Run[tuple[TrainedOn, ...] | None]:
    """Take down the annotation as it is on the disk, with what is held out of it."""
    setup, known = learning.setup, learning.setup.data.code
    image, painted = setup.data.pairs[0]
    if image.source is None or painted.source is None:
        return None
    labels = open_image(painted.source, like=image)
    values = set(known.values) | values_in(labels, dense=False, foreground=known.foreground)
    code = LabelCode(tuple(sorted(values)), dense=False, foreground=known.foreground)
    volumes, found = to_volumes([(image, labels)], code, None), []
    for volume in volumes:
        found.append((yield from label_positions(volume)))
    data = replace(
        setup.data, code=code, volumes=volumes, found=found, pairs=((image, labels),), new=1,
        strokes=(strokes,),
    )  # fmt: skip
    held = dict.fromkeys(str(v.region) for v in learning.held.volumes if v.region is not None)
    return record_data(Mix(replace(setup, data=data), blocks={0: tuple(held)}))
