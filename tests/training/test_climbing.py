"""Climbing: the next genotype follows from what was tried, and chance is told from gain."""

import json

import numpy as np
import pytest

from napari_ziggurat.networks.necks.genotype import (
    Cell,
    canonical,
    fault,
    generic,
    random_genotype,
)
from napari_ziggurat.training.climbing import REPEATS, Climb, Trial

LEVELS = 4


def climbed(scores: list[float], seed: int = 0, trials: list[Trial] | None = None) -> Climb:
    climb = Climb(generic(LEVELS), LEVELS, seed, trials or [])
    for score in scores:
        candidate = climb.propose()
        assert candidate is not None
        climb.add(candidate, 10, 2.0, score)
    return climb


def test_the_best_is_mutated_and_a_better_mutant_takes_its_place() -> None:
    climb = climbed([0.5, 0.4, 0.6, 0.6, 0.1])
    assert [t.kept for t in climb.trials] == [True, False, True, False, False]
    assert [t.candidate.parent for t in climb.trials] == [None, 0, 0, 2, 2]
    assert climb.best.candidate.number == 2
    parent, mutant = climb.trials[2].candidate.genotype, climb.trials[3].candidate.genotype
    assert sum(a != b for a, b in zip(parent, mutant, strict=True)) == 1


def test_the_same_seed_and_scores_give_the_same_candidates_wherever_it_stopped() -> None:
    scores = [0.5, 0.4, 0.6, 0.2, 0.7, 0.1]
    whole = climbed(scores).trials
    half = [Trial.from_dict(json.loads(json.dumps(t.as_dict()))) for t in whole[:3]]
    assert climbed(scores[3:], trials=half).trials == whole
    assert climbed(scores, seed=1).trials[1:] != whole[1:]


def test_nothing_is_tried_twice_until_there_is_nothing_else() -> None:
    climb = Climb(generic(2), 2, 0)
    for number in range(1000):
        candidate = climb.propose()
        if candidate is None:
            break
        climb.add(candidate, 1, 1.0, -float(number))
    tried = [canonical(t.candidate.genotype) for t in climb.trials]
    assert candidate is None
    assert 10 < len(tried) == len(set(tried))


def test_the_first_and_the_best_are_repeated_with_further_seeds() -> None:
    climb = climbed([0.5, 0.4, 0.6], seed=2**32 - 1)
    wanted = climb.repeats()
    assert [(c.number, c.seed) for c in wanted] == [(0, 0), (2, 0), (0, 1), (2, 1)]
    assert not climb.add(wanted[0], 10, 1.0, 0.9).kept
    assert climb.best.candidate.number == 2  # a repeat is no candidate
    assert climb.scores(0) == [0.5, 0.9]
    assert climb.repeats() == wanted[1:]
    assert len(climbed([0.5, 0.4]).repeats()) == REPEATS


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_random_genotypes_are_valid_and_differ(levels: int) -> None:
    rng = np.random.default_rng(0)
    drawn = [random_genotype(levels, levels + 2, rng) for _ in range(50)]
    assert [fault(each, levels) for each in drawn] == [None] * 50
    assert len(set(drawn)) > 25
    with pytest.raises(ValueError, match="as many cells or more"):
        random_genotype(levels, levels - 1, rng)


def test_only_sums_do_not_care_for_their_order() -> None:
    assert canonical([Cell("sum", 1, 0, 0)]) == canonical([Cell("sum", 0, 1, 0)])
    assert canonical([Cell("gp", 1, 0, 0)]) != canonical([Cell("gp", 0, 1, 0)])
