"""Ledger: what was painted, written down beside the store, and compared with the disk."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Ledger"]


class Ledger:
    """One array per annotation, which gets whatever napari paints, undoes and does again."""

    def __init__(self) -> None:
        self._painted: dict[Path, NDArray[np.uint8]] = {}
        self.assignments = 0

    def listen(self) -> None:
        """Write down each assignment from now on."""
        from napari_ziggurat.images.annotation_store import SparseLabels

        assign = SparseLabels.__setitem__

        def noted(labels: Any, key: Any, value: Any) -> None:
            assign(labels, key, value)
            self.of(labels.store)[key] = value
            self.assignments += 1

        SparseLabels.__setitem__ = noted  # type: ignore[method-assign]

    def of(self, store: Any) -> NDArray[np.uint8]:
        """Give what was painted on a store."""
        place = store.path.resolve()
        if place not in self._painted:
            self._painted[place] = np.zeros(store.shape, np.uint8)
        return self._painted[place]

    def erase(self, store: Any, value: int) -> None:
        """Write down that a class was removed."""
        painted = self.of(store)
        painted[painted == value] = 0

    def differences(self) -> list[str]:
        """Read the annotations as another program does, and say where they differ."""
        from napari_ziggurat.geometry import Box
        from napari_ziggurat.images.annotation_store import AnnotationStore

        found = []
        for place, painted in self._painted.items():
            with AnnotationStore.open(place, write=True) as store:  # and nobody holds it
                there = store.read(Box.whole(store.shape))
            if wrong := int(np.count_nonzero(there != painted)):
                where = np.argwhere(there != painted)[0]
                found.append(
                    f"{place.name}: {wrong} of {np.count_nonzero(painted)} painted voxels differ; "
                    f"{where} is {there[tuple(where)]} and was painted {painted[tuple(where)]}"
                )
        return found

    @property
    def count(self) -> int:
        """Number of voxels that are painted."""
        return sum(int(np.count_nonzero(each)) for each in self._painted.values())
