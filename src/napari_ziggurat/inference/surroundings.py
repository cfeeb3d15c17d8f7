"""Surroundings: hook features, computed cell by cell of an image and kept for windows to come."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, SurroundCell, SurroundLattice

__all__ = ["SURROUND_BYTES", "Surroundings"]

SURROUND_BYTES = 256 * 2**20
"""Hook features that a process keeps."""

_Key = tuple[int, tuple[int, ...]]
_Compute = Callable[[NDArray[np.float32]], torch.Tensor]
_Normalise = Callable[[NDArray[Any]], NDArray[np.float32]]


class _Read(Protocol):
    def __call__(self, box: Box, time: int, /) -> NDArray[Any]: ...


class Surroundings:
    """Gives windows of one image the hook feature of their surroundings.

    What a cell holds follows from the image, the model and the lattice alone. Windows that want
    the same cell share it: one of the threads computes it, the others wait.

    Parameters
    ----------
    lattice : SurroundLattice
        Cells of the image.
    read : callable
        Box of coarse voxels, time -> voxels (C, (Z), Y, X) as stored; the image goes on mirrored.
    compute : callable
        Normalised coarse window (C, (Z), Y, X), without Z where the network sees planes -> hook
        feature.
    flat : bool
        The network sees planes of a volume.
    """

    def __init__(
        self, lattice: SurroundLattice, read: _Read, compute: _Compute, *, flat: bool
    ) -> None:
        self.lattice = lattice
        self._read = read
        self._compute = compute
        self._flat = flat
        self._kept = _Kept(SURROUND_BYTES)

    def hook(self, window: Box, time: int, normalise: _Normalise) -> torch.Tensor:
        """Give the hook feature (F, (Z), Y, X) over a window of the image.

        Parameters
        ----------
        window : Box
            Voxels of the image; starts on the grid of the hook, may pass the end of the image.
        time : int
            Time point.
        normalise : callable
            Voxels as stored -> float32, as for the window itself.
        """
        hooks = self.lattice.grids.hooks(window)
        found: torch.Tensor | None = None
        for index in self.lattice.indices(hooks):
            cell = self.lattice.cell(index)
            feature = self._kept((time, index), partial(self._computed, cell, time, normalise))
            shared = hooks.intersect(cell.hooks)
            if shared == hooks:
                found = _cut(feature, hooks, cell.hooks)
                break
            if found is None:
                found = feature.new_empty((feature.shape[0], *hooks.shape))
            here = shared.relative_to(hooks.start).slices
            found[(slice(None), *here)] = _cut(feature, shared, cell.hooks)
        assert found is not None  # cells cover the image
        return found[:, 0] if self._flat else found

    def _computed(self, cell: SurroundCell, time: int, normalise: _Normalise) -> torch.Tensor:
        voxels = normalise(self._read(cell.window, time))
        feature = self._compute(np.ascontiguousarray(voxels[:, 0] if self._flat else voxels))
        in_space = feature[:, None] if self._flat else feature
        ratio = self.lattice.grids.ratio
        start = tuple(a // r for a, r in zip(cell.window.start, ratio, strict=True))
        whole = Box(start, tuple(a + n for a, n in zip(start, in_space.shape[1:], strict=True)))
        return _cut(in_space, cell.hooks, whole).clone()


class _Kept:
    """Features by cell; of those that are finished the least used are dropped.

    Parameters
    ----------
    limit : int
        Bytes that are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._found: OrderedDict[_Key, Future[torch.Tensor]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, key: _Key, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Give the feature of a cell; whoever comes first makes it."""
        with self._lock:
            future = self._found.get(key)
            if future is not None:
                self._found.move_to_end(key)
            else:
                mine = self._found[key] = Future()
        if future is not None:
            return future.result()
        try:
            feature = make()
        except BaseException as error:
            with self._lock:
                del self._found[key]  # whoever comes next tries again
            mine.set_exception(error)
            raise
        with self._lock:
            mine.set_result(feature)
            self._bytes += feature.nbytes
            self._trim()
        return feature

    def _trim(self) -> None:
        for key, future in list(self._found.items()):
            if self._bytes <= self._limit:
                return
            if future.done():
                self._bytes -= future.result().nbytes
                del self._found[key]


def _cut(feature: torch.Tensor, wanted: Box, whole: Box) -> torch.Tensor:
    return feature[(slice(None), *wanted.relative_to(whole.start).slices)]
