"""Result: all scores of an evaluation, as JSON holds them and as tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from napari_ziggurat.evaluation.metrics import Confusion
from napari_ziggurat.evaluation.object_counts import ObjectCounts
from napari_ziggurat.evaluation.sizes import SizeBounds
from napari_ziggurat.runs.evaluate.against import Contest
from napari_ziggurat.runs.evaluate.compare import BETWEEN, FileScore
from napari_ziggurat.runs.evaluate.measures import (
    class_measures,
    mean_measures,
    mean_of,
    object_measures,
    size_measures,
)
from napari_ziggurat.runs.evaluate.pool import Pool
from napari_ziggurat.runs.evaluate.table import class_table, number, object_table, size_text

__all__ = ["EvaluateResult"]

_HEADS = {"mean_dice": "mean Dice", "ap50": "AP50"}


@dataclass(frozen=True)
class EvaluateResult:
    """Scores of all files.

    Attributes
    ----------
    files : tuple of FileScore
        Each prediction on its own.
    names : mapping of int to str
        Class names, as far as the predictions know them.
    unit : str or None
        Unit of lengths; None where no file states the size of its voxels.
    objects : bool
        Objects are scored.
    bounds : SizeBounds or None
        Where sizes are divided; None where there is no object.
    contest : Contest or None
        Comparison with another result.
    figure : str or None
        File of the figure.
    """

    files: tuple[FileScore, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    unit: str | None = None
    objects: bool = False
    bounds: SizeBounds | None = None
    contest: Contest | None = None
    figure: str | None = None

    @property
    def pooled(self) -> Confusion:
        """Count over the voxels of all files."""
        return sum((score.confusion for score in self.files), Confusion.empty())

    @property
    def mean_dice(self) -> float | None:
        """Mean over foreground classes of the Dice pooled over all files."""
        return self.pooled.mean_dice

    @cached_property
    def pools(self) -> tuple[Pool, ...]:
        """Tallies of each file."""
        bounds = self.bounds if self.objects else None
        return tuple(Pool.of(file.comparisons, bounds) for file in self.files)

    @cached_property
    def pool(self) -> Pool:
        """Tallies of all files."""
        return Pool.join(self.pools)

    def as_dict(self) -> dict[str, object]:
        """Give all scores as JSON can hold them."""
        files = [
            {"name": file.name, **self._scores(file.confusion, pool)}
            for file, pool in zip(self.files, self.pools, strict=True)
        ]
        found = {**self._scores(self.pooled, self.pool), "unit": self.unit, "files": files}
        found["mean_over_files"] = mean_of(files)
        found["tolerance"] = self._tolerance
        if self.contest is not None:
            found["against"] = self.contest.as_dict()
        if self.figure is not None:
            found["figure"] = self.figure
        return found

    def render(self) -> str:
        """Give the scores as tables."""
        if not self.pool.classes and not self._has_objects:
            return "No class is in the labels or in the prediction; there is nothing to score."
        rows = class_table(self.pool, self.names)
        rows += [
            f"surface: share of the surfaces within {self._tolerance:.4g} {self._length} of each "
            "other",
            f"HD95: 95 % Hausdorff distance in {self._length}",
        ]
        rows += self._object_rows() + self._file_rows()
        if self.contest is not None:
            rows += ["", self.contest.render()]
        return "\n".join(rows)

    @property
    def _tolerance(self) -> float | None:
        return max((each.tolerance for f in self.files for each in f.comparisons), default=None)

    @property
    def _length(self) -> str:
        return self.unit or "units of the spacing"

    @property
    def _has_objects(self) -> bool:
        scored = [self.pool.whole[value].objects for value in self.pool.object_values]
        return self.objects and any(each.truth or each.prediction for each in scored)

    def _object_rows(self) -> list[str]:
        if not self.objects:
            return []
        if not self._has_objects:
            return ["", "There is no object in the labels or in the prediction."]
        rows = ["", *object_table(self.pool, self.names, self.bounds)]
        if self.bounds is not None:
            rows.append(size_text(self.bounds, self.size_unit))
        return rows

    def _file_rows(self) -> list[str]:
        """One row for each file, where there are several."""
        if len(self.files) == 1:
            return []
        width = max(24, *(len(file.name) + 2 for file in self.files))
        keys = ["mean_dice", "ap50"] if self.objects else ["mean_dice"]
        rows = ["", f"{'file':<{width}}" + "".join(f"{_HEADS[key]:>10}" for key in keys)]
        scores = [self._scores(f.confusion, p) for f, p in zip(self.files, self.pools, strict=True)]
        named = [(f.name, each) for f, each in zip(self.files, scores, strict=True)]
        for name, score in [*named, ("mean of files", mean_of(scores))]:
            texts = [number(score[key], "no class") for key in keys]
            rows.append(f"{name:<{width}}" + "".join(f"{text:>10}" for text in texts))
        return rows

    def _scores(self, confusion: Confusion, pool: Pool) -> dict[str, Any]:
        means = mean_measures(pool.whole[value] for value in pool.classes)
        found: dict[str, Any] = {
            "mean_dice": confusion.mean_dice,
            "mean_iou": confusion.mean_iou,
            "voxels": confusion.voxels,
            "surface_dice": means["surface_dice"],
            "hausdorff95": means["hausdorff95"],
            "classes": {str(value): self._class(value, pool) for value in pool.classes},
        }
        return found | self._object_scores(pool) if self.objects else found

    def _class(self, value: int, pool: Pool) -> dict[str, Any]:
        tally = pool.whole[value]
        found = {"name": self.names.get(value), **class_measures(tally)}
        if self.objects and BETWEEN not in pool.whole:
            found |= object_measures(tally.objects)
            if self.bounds is not None:
                found["by_size"] = size_measures(pool, [value])
        return found

    def _object_scores(self, pool: Pool) -> dict[str, Any]:
        values = pool.object_values
        nothing = ObjectCounts()
        found = object_measures(sum((pool.whole[v].objects for v in values), nothing))
        found["by_size"] = None
        if self.bounds is not None:
            found["by_size"] = {"bounds": self._bounds(self.bounds), **size_measures(pool, values)}
        return found

    def _bounds(self, bounds: SizeBounds) -> dict[str, Any]:
        return {
            "low": bounds.low, "high": bounds.high, "kind": bounds.kind, "unit": self.size_unit,
        }  # fmt: skip

    @property
    def _dims(self) -> int:
        return max((each.dims for f in self.files for each in f.comparisons), default=2)

    @property
    def size_words(self) -> str:
        """What the size of an object is, such as ``"area of the object in um^2"``."""
        power = f"{self.unit}^{self._dims}" if self.unit else "units of the spacing"
        return f"{'area' if self._dims == 2 else 'volume'} of the object in {power}"

    @property
    def size_unit(self) -> str | None:
        """Unit of the bounds."""
        if self.bounds is not None and self.bounds.in_voxels:
            return "voxels"
        return f"{self.unit}^{self._dims}" if self.unit else None
