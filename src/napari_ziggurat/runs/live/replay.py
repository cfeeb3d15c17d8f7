"""Replay: what the model that a live training goes on from was trained on, beside new strokes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import Model
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.setup.earlier import read_earlier
from napari_ziggurat.runs.setup.pairs import Pair, check_voxels, to_volumes
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.training.fingerprint import each_with
from napari_ziggurat.training.in_memory import cache_the_rest, hold_what_fits
from napari_ziggurat.training.replay import Positions, with_others
from napari_ziggurat.training.sampling import Sampler
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume, label_positions

__all__ = ["Replayed", "read_replayed"]

_MOST_HELD = 2**30  # bytes of images of earlier rounds in memory


@dataclass(frozen=True, eq=False)
class Replayed:
    """Images of earlier rounds with their labels.

    Attributes
    ----------
    volumes : tuple of LabelledVolume
    rows : mapping of int to (n, 1 + dims) array
        Number of the volume and voxel of labels of each class value.
    counts : mapping of int to float
        Labelled voxels that they stand for.
    images : int
        Images that there are.
    words : tuple of str
        What is replayed, and what is gone.
    """

    volumes: tuple[LabelledVolume, ...] = ()
    rows: Mapping[int, NDArray[np.int64]] = field(default_factory=dict)
    counts: Mapping[int, float] = field(default_factory=dict)
    images: int = 0
    words: tuple[str, ...] = ()

    def beside(self, live: Sampler, setup: TrainSetup) -> Sampler:
        """Let half of the patches come from here, and half from where strokes are painted."""
        code = setup.data.code
        if not self.volumes:
            return live
        channels = {v: code.values.index(v) + 1 for v in self.rows if v in code.values}
        places = Positions(
            {channel: self.rows[v] for v, channel in channels.items()},
            {channel: self.counts[v] for v, channel in channels.items()},
        )
        volumes = [replace(v, code=replace(code, dense=v.code.dense)) for v in self.volumes]
        if setup.around is not None:
            volumes = [v.surrounded(setup.around.factor) for v in volumes]
        return with_others(live, volumes, each_with(setup.intensity, volumes), places)


def read_replayed(parent: Model, setup: TrainSetup) -> Run[Replayed]:
    """Open what a model was trained on; what is gone or does not fit any more is named.

    Parameters
    ----------
    parent : Model
        Its record says what it was trained on.
    setup : TrainSetup
        Of the training that goes on from it.
    """
    pair, on = setup.data.pairs[0], setup.config.replay == "on"
    name = str(setup.config.from_model or parent.spec.training.get("model", "the model"))
    earlier = yield from read_earlier(parent.spec, name, [pair], replay=on, refuses=False)
    words, volumes = list(earlier.words), list[LabelledVolume]()
    images = 0
    for old, each in earlier.replayed:
        try:
            volumes += yield from _opened(
                old, replace(setup.data.code, dense=each.dense), each.level
            )
        except InputError as error:
            words.append(f"not replayed: '{each.labels}' ({error})")
            continue
        images += 1
    volumes = cache_the_rest(hold_what_fits(volumes, _MOST_HELD), _MOST_HELD)
    places = []
    for number, volume in enumerate(volumes):
        places.append(Positions.of((yield from label_positions(volume)), number))
    whole, values = Positions.join(places), setup.data.code.values
    if images:
        words.insert(0, f"half of the patches around labels of {images} image(s) of earlier rounds")
    return Replayed(
        tuple(volumes),
        {values[channel - 1]: rows for channel, rows in whole.rows.items()},
        {values[channel - 1]: count for channel, count in whole.counts.items()},
        images,
        tuple(words),
    )


def _opened(pair: Pair, code: LabelCode, level: int) -> Run[Sequence[LabelledVolume]]:
    """Open a pair, whose labels are all of known classes."""
    volumes = to_volumes([pair], code, level)
    yield from check_voxels(volumes)
    for volume in volumes:
        for progress in label_positions(volume, most=1):  # refuses classes that are not known
            yield Progress("earlier", progress.done)
    return volumes
