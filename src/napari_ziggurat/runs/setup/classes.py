"""Classes of a round: those of the parent and new ones; whatever is unclear is asked about."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, UNLABELLED, LabelClass, default_classes
from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Image
from napari_ziggurat.images.annotation import check_values, found_values
from napari_ziggurat.images.class_names import named_classes

__all__ = ["decide_classes", "stated_classes", "values_in"]

_WAYS = (
    "Values decide, and names do not: if one class has two values, paint it with that of the "
    "model. Say --classes keep for the names of the model, and to keep classes without a voxel, "
    "which are not taught any more; or --classes labels for the names of the labels, and to drop "
    "those classes."
)


def values_in(labels: Image, *, dense: bool, foreground: bool) -> set[int]:
    """Give the class values in a label image, 0 for background; there may be one alone, or none."""
    found = set(found_values(labels))
    if max(found, default=0) > EXPLICIT_BACKGROUND or (foreground and len(found) > 1):
        return set(check_values(found, dense=dense, foreground=foreground, name=labels.name))
    painted = found if dense else {v % EXPLICIT_BACKGROUND for v in found - {UNLABELLED}}
    return {min(v, 1) for v in painted} if foreground else painted


def stated_classes(labels: Sequence[Image], values: Sequence[int]) -> dict[int, LabelClass]:
    """Give the classes that label images state a name for; the first image counts."""
    stated: dict[int, LabelClass] = {}
    usual = {c.value: c.name for c in default_classes(values)}
    for image in labels:
        for each in named_classes(image, values):
            if each.name != usual[each.value]:
                stated.setdefault(each.value, each)
    return stated


def decide_classes(
    known: Sequence[LabelClass],
    stated: Mapping[int, LabelClass],
    found: set[int],
    choice: Literal["keep", "labels"] | None,
) -> tuple[LabelClass, ...]:
    """Decide the classes of a round.

    Parameters
    ----------
    known : sequence of LabelClass
        Those of the parent.
    stated : mapping of int to LabelClass
        What the new labels say of names.
    found : set of int
        Class values with a voxel, in new labels or in replayed ones.
    choice : {"keep", "labels"} or None
        Whose classes they are where the two differ.

    Raises
    ------
    InputError
        A class is gone, or has another name or value, and nobody said what that means.
    """
    if choice is None and (unclear := list(_unclear(known, stated, found))):
        raise InputError(
            f"The labels do not have the classes of the model: {'; '.join(unclear)}. {_WAYS}"
        )
    ours = {c.value: c for c in known}
    values = sorted(found if choice == "labels" else found | set(ours))
    usual = {c.value: c for c in default_classes(values)}
    first, second = (stated, ours) if choice == "labels" else (_named(ours), stated)
    return tuple(first.get(v) or second.get(v) or ours.get(v) or usual[v] for v in values)


def _unclear(
    known: Sequence[LabelClass], stated: Mapping[int, LabelClass], found: set[int]
) -> Iterator[str]:
    named = _named({c.value: c for c in known})
    values = {c.name: c.value for c in named.values()}
    for value, new in stated.items():
        if values.get(new.name, value) != value:
            yield f"'{new.name}' is class {values[new.name]} in the model and {value} in the labels"
        elif value in named and named[value].name != new.name:
            yield f"class {value} is '{named[value].name}' in the model and '{new.name}' there"
    for each in known:
        if each.value not in found:
            yield f"class {each.value} '{each.name}' has no voxel, new or replayed"


def _named(classes: Mapping[int, LabelClass]) -> dict[int, LabelClass]:
    """Give the classes that somebody named."""
    usual = {c.value: c.name for c in default_classes(list(classes))}
    return {v: c for v, c in classes.items() if c.name != usual[v]}
