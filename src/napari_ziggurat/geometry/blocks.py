"""Blocks: a region cut into the boxes that are written and journalled one by one."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from napari_ziggurat.geometry.box import Box

__all__ = ["Block", "BlockGrid"]


@dataclass(frozen=True)
class Block:
    """One unit of work: its place in the grid and the voxels it writes (its `write_box`)."""

    index: tuple[int, ...]
    write_box: Box

    @property
    def name(self) -> str:
        """Name in the journal, such as ``"0-3-1"``."""
        return "-".join(map(str, self.index))


@dataclass(frozen=True)
class BlockGrid:
    """A region cut into blocks of one shape, from its start; the last ones are cut off.

    Iteration needs no memory that grows with the image.
    """

    region: Box
    block_shape: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks per axis."""
        return tuple(-(-n // b) for n, b in zip(self.region.shape, self.block_shape, strict=True))

    def __len__(self) -> int:
        return math.prod(self.counts)

    def __iter__(self) -> Iterator[Block]:
        return map(self.block, itertools.product(*map(range, self.counts)))

    def block(self, index: tuple[int, ...]) -> Block:
        """Give the block at a place of the grid."""
        start = tuple(
            o + i * b for o, i, b in zip(self.region.start, index, self.block_shape, strict=True)
        )
        stop = tuple(a + b for a, b in zip(start, self.block_shape, strict=True))
        return Block(index, Box(start, stop).intersect(self.region))
