"""Climbing: which genotype to try next, from what was tried before.

Hill climbing with the mutations of the evolutionary searches (Real 2018, arXiv 1802.01548): the
best so far is mutated, and a mutant that scores higher takes its place.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_ziggurat.networks.necks.genotype import Cell, Genotype, canonical, mutate

__all__ = ["REPEATS", "Candidate", "Climb", "Trial"]

REPEATS = 2
"""Further seeds with which the first and the best are trained, to tell chance from gain."""

_NEAR, _ATTEMPTS = 50, 500  # mutants of the best, then mutants of mutants


@dataclass(frozen=True)
class Candidate:
    """A genotype that is to be tried.

    Attributes
    ----------
    number : int
        Of the genotype; 0 is the first.
    genotype : tuple of Cell
    parent : int or None
        Number of the genotype that it is a mutant of.
    seed : int
        Of its training.
    """

    number: int
    genotype: Genotype
    parent: int | None
    seed: int


@dataclass(frozen=True)
class Trial:
    """A candidate that was tried: one line of the log.

    Attributes
    ----------
    candidate : Candidate
    steps, seconds : int, float
        Of its training.
    score : float
        Held-out Dice.
    kept : bool
        It is better than all before it.
    """

    candidate: Candidate
    steps: int
    seconds: float
    score: float
    kept: bool

    def as_dict(self) -> dict[str, Any]:
        """Give the trial as JSON can hold it."""
        values = asdict(self)
        return {**values.pop("candidate"), **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Trial":
        """Take the trial from what `as_dict` gave."""
        said = dict(values)
        genotype = tuple(Cell(*cell) for cell in said.pop("genotype"))
        named = {key: said.pop(key) for key in ("number", "parent", "seed")}
        return cls(Candidate(genotype=genotype, **named), **said)


class Climb:
    """What was tried, and what follows from it; the same trials are followed by the same.

    Parameters
    ----------
    start : tuple of Cell
        The first genotype.
    levels : int
        Levels of the pyramid.
    seed : int
        Decides every mutation, and is the seed of every candidate's training.
    trials : sequence of Trial
        Those of a search that goes on.
    """

    def __init__(
        self, start: Genotype, levels: int, seed: int, trials: Sequence[Trial] = ()
    ) -> None:
        self._start = start
        self._levels = levels
        self._seed = seed
        self.trials = list(trials)

    @property
    def candidates(self) -> list[Trial]:
        """Trials of different genotypes, in order; all with one seed."""
        return [trial for trial in self.trials if trial.candidate.seed == self._seed]

    @property
    def best(self) -> Trial:
        """The candidate with the highest score."""
        return [trial for trial in self.candidates if trial.kept][-1]

    @property
    def pace(self) -> float:
        """Seconds that a trial typically takes; 0 before the first."""
        return statistics.median(t.seconds for t in self.trials) if self.trials else 0.0

    @property
    def seconds(self) -> float:
        """Seconds that all trials took."""
        return sum(trial.seconds for trial in self.trials)

    def scores(self, number: int) -> list[float]:
        """Scores of a genotype, one for each seed."""
        return [trial.score for trial in self.trials if trial.candidate.number == number]

    def propose(self) -> Candidate | None:
        """Give the next candidate; None where no other genotype was found."""
        tried = [trial.candidate for trial in self.candidates]
        if not tried:
            return Candidate(0, self._start, None, self._seed)
        best, known = self.best.candidate, {canonical(each.genotype) for each in tried}
        rng = np.random.default_rng((self._seed, len(tried)))
        mutant = best.genotype
        for attempt in range(_ATTEMPTS):
            mutant = mutate(best.genotype if attempt < _NEAR else mutant, rng, self._levels)
            if canonical(mutant) not in known:
                return Candidate(len(tried), mutant, best.number, self._seed)
        return None

    def repeats(self) -> list[Candidate]:
        """Give what is left to train with further seeds: the first genotype and the best."""
        done = {(trial.candidate.number, trial.candidate.seed) for trial in self.trials}
        both = dict.fromkeys((self.candidates[0].candidate, self.best.candidate))
        wanted = [
            Candidate(each.number, each.genotype, each.parent, (self._seed + n) % 2**32)
            for n in range(1, REPEATS + 1)
            for each in both
        ]
        return [each for each in wanted if (each.number, each.seed) not in done]

    def add(self, candidate: Candidate, steps: int, seconds: float, score: float) -> Trial:
        """Note a trial; a candidate is kept if it is better than the best."""
        climbs = candidate.seed == self._seed
        kept = climbs and (not self.trials or score > self.best.score)
        trial = Trial(candidate, steps, seconds, score, kept)
        self.trials.append(trial)
        return trial
