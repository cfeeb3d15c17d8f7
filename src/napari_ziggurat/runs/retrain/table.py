"""Table: a round against its parent, class by class and block by block, on held-out labels."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.networks import Score
from napari_ziggurat.training.apart import LEAST
from napari_ziggurat.training.rounds import Counts, dice

__all__ = ["Comparison", "compare"]

_NONE = "-"


@dataclass(frozen=True)
class Comparison:
    """Dice before and after a round.

    Attributes
    ----------
    classes : tuple of Score
        By class; before and after are None where fewer than 50 voxels are behind them.
    blocks : tuple of Score
        By block or validation image: mean over its classes that are told above.
    """

    classes: tuple[Score, ...]
    blocks: tuple[Score, ...]

    @property
    def told(self) -> bool:
        """Whether there is enough to tell a number at all."""
        return any(each.after is not None for each in self.classes)

    @property
    def means(self) -> tuple[float, float] | None:
        """Mean before and after, of the classes that have both; None where there is none."""
        both = [
            (each.before, each.after)
            for each in self.classes
            if each.before is not None and each.after is not None
        ]
        if not both:
            return None
        return statistics.mean(b for b, _ in both), statistics.mean(a for _, a in both)

    @property
    def loss(self) -> float:
        """By how much the mean has become less; 0 where there is nothing to compare."""
        return 0.0 if self.means is None else self.means[0] - self.means[1]

    def as_dict(self) -> dict[str, object]:
        """Give the table as JSON can hold it."""
        return {
            "classes": [_row(each) for each in self.classes],
            "blocks": [_row(each) for each in self.blocks],
            "mean": None if self.means is None else [round(v, 4) for v in self.means],
        }

    def render(self) -> str:
        """Lay the table out as lines of text."""
        rows: list[tuple[str, ...]] = [("", "before", "after", "difference", "voxels", "blocks")]
        rows += [(each.name, *_numbers(each), str(each.blocks)) for each in self.classes]
        if self.means is not None:
            before, after = self.means
            both = (f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}")
            rows.append(("mean of the classes", *both, "", ""))
        rows += [(each.name, *_numbers(each), "") for each in self.blocks]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(c.ljust(w) if i == 0 else c.rjust(w)
                      for i, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]  # fmt: skip
        return "\n".join(line.rstrip() for line in lines)


def compare(
    before: Mapping[str, Counts], after: Mapping[str, Counts], classes: Sequence[LabelClass],
    parent: Sequence[int],
) -> Comparison:  # fmt: skip
    """Compare what two networks found on the same labels.

    Parameters
    ----------
    before, after : mapping of str to Counts
        By block; before is empty where there is no parent.
    classes : sequence of LabelClass
        Of the labels, in the order of the counts.
    parent : sequence of int
        Class values that the parent knows.
    """
    values, names = [c.value for c in classes], {c.value: c.name for c in classes}
    whole = sum(after.values(), np.zeros((len(values), len(values) + 1), np.int64))
    old = sum(before.values(), np.zeros_like(whole))
    first, second, voxels = dice(old, values), dice(whole, values), whole.sum(axis=1)
    told = {v for i, v in enumerate(values) if v in second and voxels[i] >= LEAST}
    told = told if len(np.flatnonzero(voxels)) > 1 else set()  # nothing to be confused with
    rows = [
        Score(
            name=names[v],
            before=first.get(v) if v in told and v in parent else None,
            after=second[v] if v in told else None,
            voxels=int(voxels[values.index(v)]),
            blocks=sum(bool(c[values.index(v)].any()) for c in after.values()),
        )
        for v in second
    ]
    common = told & set(parent) if before else told
    blocks = [_block(name, before.get(name), after[name], values, common) for name in after]
    return Comparison(tuple(rows), tuple(b for b in blocks if b.after is not None))


def _block(
    name: str, before: Counts | None, after: Counts, values: Sequence[int], told: set[int]
) -> Score:
    old = {} if before is None else dice(before, values)
    means = [
        _mean([s for v, s in each.items() if v in told]) for each in (old, dice(after, values))
    ]
    return Score(name=name, before=means[0], after=means[1], voxels=int(after.sum()), blocks=1)


def _mean(scores: Sequence[float]) -> float | None:
    return statistics.mean(scores) if scores else None


def _numbers(score: Score) -> tuple[str, ...]:
    both = (_NONE if v is None else f"{v:.3f}" for v in (score.before, score.after))
    difference = _NONE if score.difference is None else f"{score.difference:+.3f}"
    return (*both, difference, str(score.voxels))


def _row(score: Score) -> dict[str, object]:
    rounded = {k: None if (v := getattr(score, k)) is None else round(v, 4)
               for k in ("before", "after", "difference")}  # fmt: skip
    return {"name": score.name, **rounded, "voxels": score.voxels, "blocks": score.blocks}
