"""Block tree: the blocks of every level of a pyramid, each above those that it is made from."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from napari_ziggurat.geometry.blocks import Block, BlockGrid

__all__ = ["BlockTree", "Node"]


@dataclass(frozen=True)
class Node:
    """A block of one level; ``level`` 0 is the finest of the tree."""

    level: int
    block: Block


@dataclass(frozen=True)
class BlockTree:
    """Blocks of a pyramid, finest level first.

        level 1   |        0        |     1     |
        level 0   |    0   |   1    |  2  |  3  |      the nodes in order: 0 1 (0) 2 3 (1)

    Attributes
    ----------
    grids : tuple of BlockGrid
        Blocks of each level, each level in its own voxels.
    fan : tuple of tuple of int
        Blocks of a level that lie along a block of the next one, per axis. Where the coarser level
        has one block along an axis, it is above all of them.
    """

    grids: tuple[BlockGrid, ...]
    fan: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return sum(map(len, self.grids))

    def __iter__(self) -> Iterator[Node]:
        """Give every node after those below it, neighbours close to each other.

        Needs no memory that grows with the image.
        """
        return self.walk(lambda _: False)

    def walk(self, skip: Callable[[Node], bool]) -> Iterator[Node]:
        """Give nodes as by iteration; leave out those to skip, with all that is below them."""
        for block in self.grids[-1]:
            yield from self._down(Node(len(self.grids) - 1, block), skip)

    def below(self, node: Node) -> Iterator[Node]:
        """Nodes that this one is made from; none for a node of the finest level."""
        if node.level == 0:
            return
        fine, coarse = self.grids[node.level - 1], self.grids[node.level]
        ranges = [
            range(count) if above == 1 else range(i * fan, min((i + 1) * fan, count))
            for i, fan, count, above in zip(
                node.block.index, self.fan[node.level - 1], fine.counts, coarse.counts, strict=True
            )
        ]
        for index in itertools.product(*ranges):
            yield Node(node.level - 1, fine.block(index))

    def above(self, node: Node) -> Node | None:
        """Give the node that is made from this one; None at the coarsest level."""
        if node.level + 1 == len(self.grids):
            return None
        coarse = self.grids[node.level + 1]
        index = tuple(
            0 if count == 1 else i // fan
            for i, fan, count in zip(
                node.block.index, self.fan[node.level], coarse.counts, strict=True
            )
        )
        return Node(node.level + 1, coarse.block(index))

    def number(self, node: Node) -> int:
        """Place of a node in a list of all of them, level by level in storage order."""
        place = 0
        for i, count in zip(node.block.index, self.grids[node.level].counts, strict=True):
            place = place * count + i
        return self._firsts[node.level] + place

    def node(self, number: int) -> Node:
        """Give the node at a place; the inverse of `number`."""
        level = max(lev for lev, first in enumerate(self._firsts) if first <= number)
        place, index = number - self._firsts[level], []
        for count in reversed(self.grids[level].counts):
            place, i = divmod(place, count)
            index.append(i)
        return Node(level, self.grids[level].block(tuple(reversed(index))))

    @cached_property
    def _firsts(self) -> tuple[int, ...]:
        """Place of the first node of each level."""
        return tuple(itertools.accumulate(map(len, self.grids[:-1]), initial=0))

    def _down(self, node: Node, skip: Callable[[Node], bool]) -> Iterator[Node]:
        if skip(node):
            return
        for child in self.below(node):
            yield from self._down(child, skip)
        yield node
