"""Files: which prediction belongs to which truth, mask and image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Source, find_images, stem
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.runs.output.place import is_probabilities
from napari_ziggurat.runs.setup.match import match_files

__all__ = ["class_names", "find_beside", "match", "refuse_annotation", "refuse_unfinished"]


def match(prediction: Source, labels: Source) -> list[tuple[Source, Source]]:
    """Pair files; the probabilities that a run wrote beside its labels are no predictions."""
    if find_images(prediction) == [prediction]:
        return match_files([prediction], [labels])
    ours = [path for path in find_images(prediction) if not is_probabilities(path)]
    theirs = find_images(labels)
    names, wanted = sorted(map(stem, ours)), sorted(map(stem, theirs))
    if names != wanted or len(set(names)) < len(names):
        return match_files([prediction], [labels])  # it says which files do not fit
    return list(zip(sorted(ours, key=stem), sorted(theirs, key=stem), strict=True))


def find_beside(
    what: str, given: Source | None, predictions: Sequence[Source]
) -> list[Source | None]:
    """One mask or image for all, or one per prediction by name; further ones are not used.

    Raises
    ------
    InputError
        Some predictions have none.
    """
    if given is None:
        return [None] * len(predictions)
    found = find_images(given)
    if found == [given]:
        return [given] * len(predictions)
    by_stem = {stem(path): path for path in found}
    missing = sorted(stem(path) for path in predictions if stem(path) not in by_stem)
    if missing:
        raise InputError(f"There is no {what} in {given} for: {', '.join(missing)}.")
    return [by_stem[stem(path)] for path in predictions]


def class_names(record: Mapping[str, Any]) -> dict[int, str]:
    """Names of the classes that a run wrote into its record."""
    classes = record.get("classes") or []
    return {int(each["value"]): str(each["name"]) for each in classes}


def refuse_annotation(labels: Source) -> None:
    """Refuse sparse labels as truth."""
    if isinstance(labels, Path) and is_annotation(labels):
        raise InputError(
            f"'{labels}' is an annotation: what is not labelled in it would count as background. "
            "Give labels of every voxel, and say with --mask where they are complete."
        )


def refuse_unfinished(path: Source, record: Mapping[str, Any]) -> None:
    """Refuse a prediction that is still being written."""
    if record.get("status") == "running":
        raise InputError(f"{path} is not finished; run the same 'ziggurat segment' again first.")
