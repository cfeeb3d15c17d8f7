"""Labels: which classes the label images hold, and how they are coded."""

from collections.abc import Sequence

from napari_ziggurat.images import Image
from napari_ziggurat.images.annotation import check_values, found_values
from napari_ziggurat.training.volumes import LabelCode

__all__ = ["find_code"]


def find_code(labels: Sequence[Image], *, dense: bool, foreground: bool) -> LabelCode:
    """Look through all labels for the classes in them, and refuse what cannot be learned from.

    Parameters
    ----------
    labels : sequence of Image
        All label images together.
    dense : bool
        Every voxel is labelled and 0 is background; else 0 is unlabelled and 255 background.
    foreground : bool
        Every non-zero label is class 1.
    """
    found = {value for each in labels for value in found_values(each)}
    name = f"'{labels[0].name}'" if len(labels) == 1 else f"The {len(labels)} label images"
    values = check_values(found, dense=dense, foreground=foreground, name=name)
    return LabelCode(values, dense=dense, foreground=foreground)
