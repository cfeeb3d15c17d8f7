"""OutputGrid: shape, type, place and storage of an array that is written; its coarser levels."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Spacing

__all__ = ["OutputGrid"]

# A level of at most this many pixels along y and x is small enough to be shown whole.
_COARSEST = 512


@dataclass(frozen=True)
class OutputGrid:
    """The finest level of an output; shapes have one value per axis, in the order of ``axes``.

    Attributes
    ----------
    axes : Axes
        Axes in the order t, c, z, y, x, which OME-Zarr asks for.
    shape : tuple of int
        Length of each axis.
    dtype : numpy.dtype
        Type of the voxels.
    spacing : Spacing
        Voxel size of the spatial axes.
    translation : tuple of float
        Centre of voxel 0 per spatial axis, in the unit of the spacing.
    chunk, shard : tuple of int
        Units of storage; a shard is a whole number of chunks on each axis.
    downsamplings : tuple of tuple of int
        Ratio of this grid to each of the levels that come next, per spatial axis, finest first.
        Further ones are halved from the last of them.
    pyramid : bool
        Whether coarser levels follow. Without them each chunk is a file of its own, as painting
        needs: a chunk within a shard cannot be replaced alone.

    Raises
    ------
    InputError
        The axes are in another order, the lengths differ, or a shard is no multiple of a chunk.
    """

    axes: Axes
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    spacing: Spacing
    translation: tuple[float, ...]
    chunk: tuple[int, ...]
    shard: tuple[int, ...]
    downsamplings: tuple[tuple[int, ...], ...] = ()
    pyramid: bool = True

    def __post_init__(self) -> None:
        if self.axes.names != "".join(a for a in "tczyx" if self.axes.has(a)):
            raise InputError(f"OME-Zarr orders axes as t, c, z, y, x; got '{self.axes}'.")
        if {len(v) for v in (self.shape, self.chunk, self.shard)} != {self.axes.ndim}:
            raise InputError(
                f"Shape {self.shape}, chunk {self.chunk} and shard {self.shard} need one value per "
                f"axis of '{self.axes}'."
            )
        if any(s % c for s, c in zip(self.shard, self.chunk, strict=True)):
            raise InputError(f"Shard {self.shard} must be a multiple of chunk {self.chunk}.")

    @property
    def levels(self) -> tuple["OutputGrid", ...]:
        """The levels of the pyramid: this grid first, down to one that can be shown whole."""
        grids = [self, *map(self._given, self.downsamplings)]
        while self.pyramid and max(grids[-1].shape[-2:]) > _COARSEST:
            coarser = grids[-1]._coarser(grids[-1]._halving())
            grids.append(replace(coarser, chunk=self.chunk, shard=self.shard))
        return tuple(grids)

    def fitted(self) -> "OutputGrid":
        """Cut chunk and shard down to the image, so that no voxels are stored that do not exist."""
        chunk = tuple(min(c, n) for c, n in zip(self.chunk, self.shape, strict=True))
        shard = tuple(
            min(s // c * k, -(-n // k) * k)
            for s, c, k, n in zip(self.shard, self.chunk, chunk, self.shape, strict=True)
        )
        return replace(self, chunk=chunk, shard=shard)

    def on_axes(self, values: tuple[float, ...], other: float) -> list[float]:
        """Spread values of the spatial axes over all axes; the others get ``other``."""
        by_letter = dict(zip(self.axes.spatial, values, strict=True))
        return [by_letter.get(letter, other) for letter in self.axes.names]

    def _given(self, factors: tuple[int, ...]) -> "OutputGrid":
        """Give a level that is written together with this one: a shard there for a shard here."""
        steps = [int(f) for f in self.on_axes(factors, 1)]
        cells = [-(-c // f) for c, f in zip(self.chunk, steps, strict=True)]
        counts = [s // c for s, c in zip(self.shard, self.chunk, strict=True)]
        # Several of the small chunks become one, as many as divide the shard.
        chunk = tuple(c * math.gcd(n, f) for c, n, f in zip(cells, counts, steps, strict=True))
        shard = tuple(c * n for c, n in zip(cells, counts, strict=True))
        return replace(self._coarser(factors), chunk=chunk, shard=shard)

    def _coarser(self, factors: tuple[int, ...]) -> "OutputGrid":
        steps = [int(f) for f in self.on_axes(factors, 1)]
        return replace(
            self,
            # An odd length is rounded up: the last voxel stands for what is left.
            shape=tuple(-(-n // f) for n, f in zip(self.shape, steps, strict=True)),
            downsamplings=(),
            spacing=self.spacing.scaled(factors),
            # The centre of a coarse voxel is the centre of the voxels that it stands for.
            translation=tuple(
                t + (f - 1) / 2 * s
                for t, f, s in zip(self.translation, factors, self.spacing.values, strict=True)
            ),
        )

    def _halving(self) -> tuple[int, ...]:
        """Halve the fine axes; one that is twice as coarse as the finest waits for the others."""
        lengths = [self.shape[self.axes.index(letter)] for letter in self.axes.spatial]
        sizes = self.spacing.values
        finest = min(s for s, n in zip(sizes, lengths, strict=True) if n > 1)
        return tuple(
            2 if n > 1 and size < 2 * finest * (1 - 1e-6) else 1
            for size, n in zip(sizes, lengths, strict=True)
        )
