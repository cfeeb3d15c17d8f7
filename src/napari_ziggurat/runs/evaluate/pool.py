"""Pool: the tallies of some files together, per class and size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_ziggurat.evaluation.comparison import Comparison, Tally
from napari_ziggurat.evaluation.sizes import SizeBounds
from napari_ziggurat.runs.config import EvaluateConfig
from napari_ziggurat.runs.evaluate.compare import BETWEEN, FileScore

__all__ = ["Pool", "choose_bounds"]


@dataclass(frozen=True)
class Pool:
    """Tallies of each class of some files.

    Attributes
    ----------
    whole : mapping of int to Tally
        All objects of each class.
    by_size : mapping of int to tuple of Tally
        Small, medium and large ones; empty where objects are not scored.
    """

    whole: dict[int, Tally]
    by_size: dict[int, tuple[Tally, ...]]

    @classmethod
    def of(cls, comparisons: Iterable[Comparison], bounds: SizeBounds | None) -> "Pool":
        """Count comparisons of one file."""
        found = list(comparisons)
        whole = [cls({each.value: each.tally()}, {}) for each in found]
        if bounds is None:
            return cls.join(whole)
        sized = [cls({}, {each.value: each.tallies_by_size(bounds)}) for each in found]
        return cls.join([*whole, *sized])

    @classmethod
    def join(cls, pools: Sequence["Pool"]) -> "Pool":
        """Add up several; a class counts where it is."""
        whole: dict[int, Tally] = {}
        by_size: dict[int, tuple[Tally, ...]] = {}
        for pool in pools:
            for value, tally in pool.whole.items():
                whole[value] = whole[value] + tally if value in whole else tally
            for value, sizes in pool.by_size.items():
                old = by_size.get(value)
                added = tuple(a + b for a, b in zip(old, sizes, strict=True)) if old else sizes
                by_size[value] = added
        return cls(whole, by_size)

    @property
    def classes(self) -> list[int]:
        """Classes that are in the truth or in the prediction."""
        return [v for v in sorted(self.whole) if v != BETWEEN and _is_there(self.whole[v])]

    @property
    def object_values(self) -> list[int]:
        """Classes whose objects are scored, or the pieces between them alone."""
        return [BETWEEN] if BETWEEN in self.whole else self.classes


def _is_there(tally: Tally) -> bool:
    return tally.overlap.truth + tally.overlap.prediction > 0


def choose_bounds(config: EvaluateConfig, files: Sequence[FileScore]) -> SizeBounds | None:
    """Find where sizes are divided, in all files alike; None where there is no object."""
    if config.sizes not in (None, "coco"):
        low, high = (float(part) for part in str(config.sizes).split(","))
        return SizeBounds(low, high)
    scored = [each for file in files for each in file.comparisons]
    if any(each.value == BETWEEN for each in scored):
        scored = [each for each in scored if each.value == BETWEEN]
    if config.sizes == "coco" and scored:
        return SizeBounds.coco(scored[0].dims)
    sizes = np.concatenate([np.empty(0), *(each.truth_sizes for each in scored)])
    return SizeBounds.terciles(sizes) if len(sizes) else None
