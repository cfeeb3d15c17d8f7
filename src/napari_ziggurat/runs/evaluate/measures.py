"""Measures: the numbers that are reported, from tallies."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from napari_ziggurat.evaluation.comparison import Tally
from napari_ziggurat.evaluation.matching import IOU_THRESHOLDS
from napari_ziggurat.evaluation.metrics import Overlap
from napari_ziggurat.evaluation.object_counts import ObjectCounts
from napari_ziggurat.evaluation.sizes import SIZE_NAMES
from napari_ziggurat.evaluation.surface import SurfaceScore
from napari_ziggurat.runs.evaluate.pool import Pool

__all__ = [
    "all_measures",
    "class_measures",
    "headline",
    "mean_measures",
    "mean_of",
    "object_measures",
    "size_measures",
]

_MEANS = ("dice", "iou", "precision", "recall", "surface_dice", "hausdorff95")
_OF_CLASSES = ("dice", "iou", "surface_dice", "hausdorff95")
_OF_FILES = ("mean_dice", "mean_iou", "ap50", "mean_ap", "f1", "pq", "adapted_rand_error")
_OF_OBJECTS = ("ap50", "mean_ap", "f1", "pq", "adapted_rand_error", "vi_split", "vi_merge")


def class_measures(tally: Tally) -> dict[str, Any]:
    """How well a class is labelled, whatever its objects are."""
    overlap, surface = tally.overlap, tally.surface
    return {
        **_overlap(overlap),
        "precision": overlap.precision,
        "recall": overlap.recall,
        "surface_dice": surface.surface_dice,
        "hausdorff95": surface.hausdorff95,
        "hausdorff95_undefined": surface.one_sided,
        "voxels": overlap.truth,
        "predicted_voxels": overlap.prediction,
    }


def _overlap(overlap: Overlap) -> dict[str, float | None]:
    there = overlap.truth + overlap.prediction > 0
    return {"dice": overlap.dice if there else None, "iou": overlap.iou if there else None}


def object_measures(counts: ObjectCounts) -> dict[str, Any]:
    """How well objects are found and told apart."""
    parts = counts.partition
    return {
        "objects": counts.truth,
        "predicted_objects": counts.prediction,
        "ap50": counts.ap[0],
        "ap": {f"{t:.2f}": value for t, value in zip(IOU_THRESHOLDS, counts.ap, strict=True)},
        "mean_ap": counts.mean_ap,
        "f1": counts.f1,
        "pq": counts.pq,
        "splits": counts.splits,
        "merges": counts.merges,
        "adapted_rand_error": parts.adapted_rand_error,
        "vi_split": parts.vi_split,
        "vi_merge": parts.vi_merge,
    }


def all_measures(tallies: Iterable[Tally]) -> dict[str, Any]:
    """Measures of several classes taken together, as if they were one: objects count alike."""
    nothing = Tally(Overlap(0, 0, 0, 0), SurfaceScore(), ObjectCounts())
    whole = sum(tallies, nothing)
    return {**class_measures(whole), **object_measures(whole.objects)}


def mean_measures(tallies: Iterable[Tally]) -> dict[str, float | None]:
    """Means over classes, each of which counts alike."""
    rows = [class_measures(tally) for tally in tallies]
    return {name: _mean(row[name] for row in rows) for name in _MEANS}


def mean_of(files: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Means over files of their scores, each file counting alike, as Cellpose gives its AP."""
    names = [name for name in _OF_FILES if any(name in file for file in files)]
    return {name: _mean(file[name] for file in files) for name in names}


def size_measures(pool: Pool, values: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Everything for the small, medium and large objects of some classes."""
    return {
        name: all_measures(pool.by_size[v][size] for v in values if v in pool.by_size)
        for size, name in enumerate(SIZE_NAMES)
    }


def headline(pool: Pool, *, objects: bool) -> dict[str, float | None]:
    """Measures of some files in which two results are compared."""
    classes = mean_measures(pool.whole[value] for value in pool.classes)
    found = {f"mean_{name}": classes[name] for name in _OF_CLASSES}
    if objects:
        scored = all_measures(pool.whole[value] for value in pool.object_values)
        found |= {name: scored[name] for name in _OF_OBJECTS}
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None
