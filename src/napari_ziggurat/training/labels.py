"""Labels: which classes the label images hold, and how they are coded."""

from collections.abc import Collection, Sequence

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, UNLABELLED
from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Image
from napari_ziggurat.images.annotation import check_values, found_values
from napari_ziggurat.training.volumes import LabelCode

__all__ = ["check_ids", "find_code"]


def find_code(
    labels: Sequence[Image], *, dense: bool, foreground: bool, objects: bool = False
) -> LabelCode:
    """Look through all labels for the classes in them, and refuse what cannot be learned from.

    Parameters
    ----------
    labels : sequence of Image
        All label images together.
    dense : bool
        Every voxel is labelled and 0 is background; else 0 is unlabelled and 255 background.
    foreground : bool
        Every non-zero label is class 1.
    objects : bool
        And each of its values is an object.

    Raises
    ------
    InputError
        There is nothing to be told apart, or values are no labels.
    """
    found = {value for each in labels for value in found_values(each)}
    name = f"'{labels[0].name}'" if len(labels) == 1 else f"The {len(labels)} label images"
    if objects:
        check_ids(found, dense=dense)
    values = check_values(found, dense=dense, foreground=foreground, name=name)
    return LabelCode(values, dense=dense, foreground=foreground, objects=objects)


def check_ids(found: Collection[int], *, dense: bool) -> None:
    """Refuse labels in which no object can be told from another.

    Parameters
    ----------
    found : collection of int
        Values of all label images together.
    dense : bool
        0 is background; else 0 is unlabelled and 255 background.
    """
    ids = set(found) - ({0} if dense else {UNLABELLED, EXPLICIT_BACKGROUND})
    if not ids:
        raise InputError(
            "--task instance learns objects, and the labels hold none: give each object a number "
            f"of its own{'' if dense else ', other than 0 (unlabelled) and 255 (background)'}."
        )
    if len(ids) == 1:
        raise InputError(
            f"--task instance tells objects apart, and the labels hold one alone ({ids.pop()}): "
            "give each object a number of its own, or say --task foreground if this is a mask."
        )
