"""Against: two results on the same truth, with how sure their difference is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_ziggurat.evaluation.bootstrap import Difference, paired_bootstrap
from napari_ziggurat.runs.evaluate.compare import BETWEEN, FileScore
from napari_ziggurat.runs.evaluate.measures import headline
from napari_ziggurat.runs.evaluate.pool import Pool

__all__ = ["Contest", "compare_results"]


@dataclass(frozen=True)
class Contest:
    """The other result against the one that is scored.

    Attributes
    ----------
    other : str
        What it is compared with.
    units : "files" or "objects"
        What was drawn with replacement.
    count : int
        Number of them.
    differences : mapping of str to Difference
        By measure: of the other result (first) and of the one that is scored (second).
    """

    other: str
    units: str
    count: int
    differences: dict[str, Difference]

    def as_dict(self) -> dict[str, object]:
        """Give everything as JSON can hold it."""
        return {
            "other": self.other,
            "units": self.units,
            "count": self.count,
            "measures": {
                name: {
                    "this": d.second,
                    "other": d.first,
                    "difference": d.value,
                    "low": d.low,
                    "high": d.high,
                }
                for name, d in self.differences.items()
            },
        }

    def render(self) -> str:
        """Give a table."""
        rows = [
            f"Against {self.other}, 95 % intervals from a paired bootstrap over {self.count} "
            f"{self.units}:",
            f"{'':<24}{'this':>9}{'other':>9}{'difference':>12}{'low':>9}{'high':>9}",
        ]
        rows += [
            f"{name:<24}{d.second:9.4f}{d.first:9.4f}{d.value:+12.4f}{d.low:+9.4f}{d.high:+9.4f}"
            for name, d in self.differences.items()
        ]
        if not self.differences:
            rows.append("There is no class that both have; nothing can be compared.")
        if self.units == "files" and self.count < _FEW:
            rows.append(f"With fewer than {_FEW} files such an interval is too narrow.")
        return "\n".join(rows)


_FEW = 10


def compare_results(
    other: str, ours: Sequence[FileScore], theirs: Sequence[FileScore], *, objects: bool
) -> Contest | None:
    """Compare over files, or over the objects of the truth where there is one file.

    Returns
    -------
    Contest or None
        None where there is one file and no object in it: nothing can be drawn.
    """
    if len(ours) > 1:
        pools = [[Pool.of(f.comparisons, None) for f in files] for files in (theirs, ours)]

        def score(pool: Sequence[Pool], draw: Sequence[int]) -> dict[str, float | None]:
            return headline(Pool.join([pool[i] for i in draw]), objects=objects)

        found = paired_bootstrap(
            len(ours), lambda draw: score(pools[0], draw), lambda draw: score(pools[1], draw)
        )
        return Contest(other, "files", len(ours), found)
    return _over_objects(other, ours[0], theirs[0]) if objects else None


def _over_objects(other: str, ours: FileScore, theirs: FileScore) -> Contest | None:
    """Compare how well each object of the truth was found."""
    (first, second) = (_iou(theirs), _iou(ours))
    if not len(first):
        return None

    def score(iou: np.ndarray, draw: Sequence[int]) -> dict[str, float | None]:
        drawn = iou[np.asarray(draw)]
        return {
            "found at IoU 0.5": float(np.mean(drawn > 0)),
            "mean IoU when found": float(drawn[drawn > 0].mean()) if drawn.any() else None,
            "mean IoU of objects": float(drawn.mean()),
        }

    found = paired_bootstrap(
        len(first), lambda draw: score(first, draw), lambda draw: score(second, draw)
    )
    return Contest(other, "objects", len(first), found)


def _iou(file: FileScore) -> np.ndarray:
    """IoU of each object of the truth with its partner, in one order for all predictions."""
    found = {
        (time, each.value): each
        for time, each in zip(file.times, file.comparisons, strict=True)
        if len(each.matching.truth)
    }
    between = any(value == BETWEEN for _, value in found)
    chosen = [key for key in sorted(found) if not between or key[1] == BETWEEN]
    return np.concatenate([np.empty(0), *(found[key].matching.iou for key in chosen)])
