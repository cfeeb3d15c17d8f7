"""Table: scores for a person."""

from collections.abc import Iterable, Mapping
from typing import Any

from napari_ziggurat.evaluation.sizes import SizeBounds
from napari_ziggurat.runs.evaluate.measures import (
    all_measures,
    class_measures,
    mean_measures,
    size_measures,
)
from napari_ziggurat.runs.evaluate.pool import Pool

__all__ = ["class_table", "label", "number", "object_table", "size_text"]

_CLASS_COLUMNS = {
    "dice": "Dice",
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "surface_dice": "surface",
    "hausdorff95": "HD95",
    "voxels": "voxels",
}
_FOUND_COLUMNS = {
    "objects": "true",
    "predicted_objects": "predicted",
    "ap50": "AP50",
    "mean_ap": "AP",
    "f1": "F1",
    "pq": "PQ",
    "dice": "Dice",
}
_ERROR_COLUMNS = {
    "splits": "splits",
    "merges": "merges",
    "adapted_rand_error": "ARand",
    "vi_split": "VI split",
    "vi_merge": "VI merge",
    "surface_dice": "surface",
    "hausdorff95": "HD95",
}
_FIRST = 24


def class_table(pool: Pool, names: Mapping[int, str]) -> list[str]:
    """Rows for classes, their mean, and what is on one side only."""
    rows = [_row("class", _CLASS_COLUMNS.values())]
    rows += [
        _numbers(label(v, names), class_measures(pool.whole[v]), _CLASS_COLUMNS)
        for v in pool.classes
    ]
    means = mean_measures(pool.whole[v] for v in pool.classes)
    rows.append(_numbers("mean", means, _CLASS_COLUMNS).rstrip(" -"))
    return [*rows, *_one_sided(pool, names)]


def object_table(pool: Pool, names: Mapping[int, str], bounds: SizeBounds | None) -> list[str]:
    """Rows for small, medium, large and all objects; where there are several, for classes."""
    values = pool.object_values
    measured: list[tuple[str, Mapping[str, Any]]] = []
    if bounds is not None:
        measured += size_measures(pool, values).items()
    if len(values) > 1:
        measured += [(label(v, names), all_measures([pool.whole[v]])) for v in values]
    measured.append(("all", all_measures(pool.whole[v] for v in values)))
    rows: list[str] = []
    for head, columns in (("objects", _FOUND_COLUMNS), ("their errors", _ERROR_COLUMNS)):
        rows.append(_row(head, columns.values()))
        rows += [_numbers(name, measures, columns) for name, measures in measured]
    return rows


def size_text(bounds: SizeBounds, unit: str | None) -> str:
    """Say where sizes are divided."""
    kinds = {"terciles": "terciles of the truth", "given": "as said", "coco": "as in COCO"}
    said = f" {unit}" if unit else ""
    return (
        f"Small objects are smaller than {bounds.low:.4g}{said}, large ones not smaller than "
        f"{bounds.high:.4g}{said} ({kinds[bounds.kind]})."
    )


def label(value: int, names: Mapping[int, str]) -> str:
    """Give a class with its name, where it has one."""
    return f"{value} {names[value]}" if value in names else str(value)


def _one_sided(pool: Pool, names: Mapping[int, str]) -> list[str]:
    """Say which classes the other side does not have."""
    found = []
    for value in pool.classes:
        overlap = pool.whole[value].overlap
        if not overlap.prediction:
            found.append(f"Class {label(value, names)} is in the truth and was never predicted.")
        if not overlap.truth:
            found.append(f"Class {label(value, names)} was predicted and is not in the truth.")
    return found


def _numbers(name: str, measures: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    return _row(name, [number(measures.get(key)) for key in columns])


def _row(name: str, texts: Iterable[str]) -> str:
    return f"{name:<{_FIRST}}" + "".join(f"{text:>10}" for text in texts)


def number(value: float | None, nothing: str = "-") -> str:
    """Put a measure in words."""
    if value is None:
        return nothing
    return str(value) if isinstance(value, int) else f"{value:.4f}"
