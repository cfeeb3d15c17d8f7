"""Replay: half of the patches from the newest labels, half from those of earlier rounds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.networks.intensity import Intensity
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.volumes import FoundLabels, LabelledVolume

__all__ = ["Positions", "ReplaySampler", "with_others", "with_replay"]

_NEW = 0.5  # of the patches

Masks = Mapping[int, NDArray[np.bool_]]
"""Which of the positions of each target value."""


@dataclass(frozen=True)
class Positions:
    """Where some of the labels are.

    Attributes
    ----------
    rows : mapping of target value to (n, 1 + dims) array
        Number of the volume, and voxel; of many labels a sample.
    counts : mapping of target value to float
        Labelled voxels that they stand for.
    """

    rows: Mapping[int, NDArray[np.int64]] = field(default_factory=dict)
    counts: Mapping[int, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rows)

    @classmethod
    def of(cls, found: FoundLabels, number: int) -> Self:
        """Give what was found in the volume of a number."""
        rows = {v: np.insert(each, 0, number, axis=1) for v, each in found.positions.items()}
        return cls(rows, {v: float(found.counts[v]) for v in rows})

    @classmethod
    def join(cls, several: Iterable["Positions"]) -> Self:
        """Put positions together."""
        all_of = list(several)
        values = sorted({value for each in all_of for value in each.rows})
        return cls(
            {v: np.concatenate([p.rows[v] for p in all_of if v in p.rows]) for v in values},
            {v: sum(p.counts.get(v, 0.0) for p in all_of) for v in values},
        )

    def where(self, masks: Masks) -> "Positions":
        """Give some of the positions."""
        left = {v: rows[masks[v]] for v, rows in self.rows.items() if masks[v].any()}
        return Positions(left, {v: self.counts[v] * float(masks[v].mean()) for v in left})

    def index(self) -> LabelIndex:
        """Give the index that a sampler draws from."""
        total = sum(self.counts.values())
        return LabelIndex(dict(self.rows), {v: n / total for v, n in self.counts.items()})


@dataclass(frozen=True)
class _Part:
    """Some of the volumes, drawn from with a chance.

    Attributes
    ----------
    sampler : Sampler
    numbers : tuple of int
        Number that each of its volumes has among all.
    chance : float
    """

    sampler: Sampler
    numbers: tuple[int, ...]
    chance: float


@dataclass(frozen=True)
class ReplaySampler(Sampler):
    """Draws from several parts of the labels, each as a `Sampler` draws.

    Attributes
    ----------
    parts : tuple of _Part
        Their chances sum to 1.
    """

    parts: tuple[_Part, ...] = ()

    @property
    def shares(self) -> list[float]:
        """Part of the labelled voxels that each channel has, where patches are drawn."""
        rows = np.array([part.sampler.shares for part in self.parts])
        chances = np.array([part.chance for part in self.parts])
        found: list[float] = (chances @ rows).tolist()
        return found

    def place(self, rng: np.random.Generator) -> tuple[int, Box]:
        """Draw a part, and in it where a patch lies."""
        if self.everywhere:
            return super().place(rng)
        part = self.parts[int(rng.choice(len(self.parts), p=[p.chance for p in self.parts]))]
        number, box = part.sampler.place(rng)
        return part.numbers[number], box


def with_replay(sampler: Sampler, new: Positions, old: Positions) -> Sampler:
    """Let half of the patches come from the newest labels and half from the others.

    Volumes whose every voxel is labelled and others are drawn from apart, as many patches from each
    as their number is. Where one half has no labels there is one half.

    Parameters
    ----------
    sampler : Sampler
        Draws from everything.
    new, old : Positions
        Of the newest labels, and of those of earlier rounds.
    """
    sampler = replace(sampler, index=Positions.join([new, old]).index())
    if not new or not old:
        return sampler
    parts = [*_parts(sampler, new, _NEW), *_parts(sampler, old, 1 - _NEW)]
    given = {each.name: getattr(sampler, each.name) for each in fields(Sampler)}
    return ReplaySampler(**given, parts=tuple(parts))


def with_others(
    sampler: Sampler,
    volumes: Sequence[LabelledVolume],
    intensities: Sequence[Intensity],
    places: Positions,
) -> Sampler:
    """Let half of the patches come from other volumes, and half as a sampler draws them.

    Parameters
    ----------
    sampler : Sampler
        Draws the one half. Where it has no labels everything comes from the others.
    volumes, intensities : sequence of LabelledVolume, Intensity
        The others.
    places : Positions
        Where their labels are; numbers count these volumes.
    """
    if not places:
        return sampler
    count, own = len(sampler.volumes), sampler.index
    rows = {v: np.insert(r[:, 1:], 0, r[:, 0] + count, axis=1) for v, r in places.rows.items()}
    others, part = Positions(rows, places.counts), _NEW if own.positions else 1.0
    both = Positions.join(
        [Positions(own.positions, own.shares), Positions(rows, others.index().shares)]
    )
    given = {each.name: getattr(sampler, each.name) for each in fields(Sampler)} | {
        "volumes": [*sampler.volumes, *volumes],
        "intensities": [*sampler.intensities, *intensities],
        "index": both.index(),
    }
    whole = Sampler(**given)
    first = [_Part(sampler, tuple(range(count)), 1 - part)] if own.positions else []
    return ReplaySampler(**given, parts=(*first, *_parts(whole, others, part)))


def _parts(sampler: Sampler, positions: Positions, chance: float) -> list[_Part]:
    present = np.unique(np.concatenate([each[:, 0] for each in positions.rows.values()])).tolist()
    groups = [[n for n in present if sampler.volumes[n].code.dense is d] for d in (True, False)]
    return [
        _Part(
            _restricted(sampler, positions, group), tuple(group), chance * len(group) / len(present)
        )
        for group in groups
        if group
    ]


def _restricted(sampler: Sampler, positions: Positions, numbers: Sequence[int]) -> Sampler:
    """Give a sampler of some of the volumes, numbered anew."""
    anew = np.full(len(sampler.volumes), -1)
    anew[list(numbers)] = np.arange(len(numbers))
    mine = positions.where({v: np.isin(r[:, 0], numbers) for v, r in positions.rows.items()})
    rows = {v: np.insert(r[:, 1:], 0, anew[r[:, 0]], axis=1) for v, r in mine.rows.items()}
    return replace(
        sampler,
        volumes=[sampler.volumes[n] for n in numbers],
        intensities=[sampler.intensities[n] for n in numbers],
        index=replace(mine, rows=rows).index(),
    )
