"""Held strokes: those that are kept out of a live training, to score on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.networks.intensity import Intensity
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.training.holdout import hold_out
from napari_ziggurat.training.rounds import HeldOut
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.validation import Look, spread_patches, validate
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume

__all__ = ["NOT_ENOUGH", "HeldStrokes"]

NOT_ENOUGH = "not enough held-out strokes"


@dataclass(frozen=True)
class HeldStrokes:
    """Places whose strokes are not trained on, until somebody paints there.

    Attributes
    ----------
    volumes, intensities : sequence of LabelledVolume, Intensity
        A volume for each place.
    words : str
        What is held out, or why nothing is.
    """

    volumes: Sequence[LabelledVolume] = ()
    intensities: Sequence[Intensity] = ()
    words: str = ""

    @classmethod
    def choose(cls, sampler: Sampler, seed: int) -> "HeldStrokes":
        """Hold about a fifth of the strokes out, as far as they can be divided."""
        try:
            held = hold_out(sampler, seed)
        except InputError:
            return cls(words=f"{NOT_ENOUGH}: they are too few or too close together to be divided")
        return cls(tuple(held.volumes), tuple(held.intensities), held.words)

    def places(self, time: int) -> tuple[Box, ...]:
        """Boxes of a time point, in voxels of the level."""
        return tuple(v.region for v in self.volumes if v.time == time and v.region is not None)

    def without(self, time: int, box: Box) -> "HeldStrokes":
        """Give the places up that a box meets: what is painted there is to be learned."""
        kept = [
            n for n, volume in enumerate(self.volumes)
            if volume.time != time or volume.region is None or not volume.region.intersect(box).size
        ]  # fmt: skip
        if len(kept) == len(self.volumes):
            return self
        return HeldStrokes(
            tuple(self.volumes[n] for n in kept), tuple(self.intensities[n] for n in kept),
            f"{len(kept)} of {len(self.volumes)} places of held-out strokes are left",
        )  # fmt: skip

    def with_code(self, code: LabelCode) -> "HeldStrokes":
        """Code the labels for other classes."""
        return replace(self, volumes=tuple(replace(v, code=code) for v in self.volumes))

    def trained_on(self, index: LabelIndex) -> LabelIndex:
        """Take the strokes that are held out from an index."""
        kept = {value: rows[~self._held(rows)] for value, rows in index.positions.items()}
        shares = {v: index.shares[v] * len(k) / len(index.positions[v]) for v, k in kept.items()}
        total = sum(shares.values()) or 1.0
        return LabelIndex(
            {v: rows for v, rows in kept.items() if len(rows)},
            {v: share / total for v, share in shares.items() if share},
        )

    def score(self, network: nn.Module, setup: TrainSetup) -> dict[str, float]:
        """Dice by class name; empty where too little is held out.

        The network is in evaluation mode.
        """
        if not self.volumes:
            return {}
        patch = setup.shape.patch
        found = validate(
            network, self.volumes, self.intensities, patch, flat=setup.flat, around=setup.around
        )
        names = {c.value: c.name for c in setup.classes}
        return {names[value]: score for value, score in found.items()}

    def as_blocks(self, setup: TrainSetup) -> HeldOut | None:
        """Give each place as a block of labels to score on; None where nothing is held out."""
        if not self.volumes:
            return None
        patch = setup.shape.patch
        places = [(number, box, box) for number, box in spread_patches(self.volumes, patch)]
        names = [f"time {v.time}, {v.region}" if v.time else str(v.region) for v in self.volumes]
        look = Look(patch, setup.flat, setup.around)
        named = [names[number] for number, _, _ in places]
        return HeldOut(self.volumes, self.intensities, places, named, look)

    def _held(self, rows: np.ndarray) -> np.ndarray:
        held = np.zeros(len(rows), bool)
        for volume in self.volumes:
            if (box := volume.region) is not None:
                inside = (rows[:, 1:] >= box.start) & (rows[:, 1:] < box.stop)
                held |= inside.all(axis=1) & (rows[:, 0] == volume.time)
        return held
