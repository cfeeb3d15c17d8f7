"""Tasks: the blocks that a segmentation writes, at every level, in an order that works."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

from napari_ziggurat.geometry import BlockGrid, BlockTree, Box, Node
from napari_ziggurat.images import OutputGrid
from napari_ziggurat.runs.output.storage import output_grid
from napari_ziggurat.runs.plan.plan import SegmentPlan

__all__ = ["Task", "Tasks"]


@dataclass(frozen=True)
class Task:
    """A unit of work: one block of one time point, written and journalled as a whole.

    Attributes
    ----------
    number : int
        Its name in the journal.
    time : int
    node : Node
        Level 0 is what the network predicts; a block of a further level is made of those below it.
    """

    number: int
    time: int
    node: Node


@dataclass(frozen=True)
class Tasks:
    """All tasks of a run, each after those that it needs; nothing grows with the image."""

    tree: BlockTree
    times: int

    @classmethod
    def of(cls, plan: SegmentPlan) -> "Tasks":
        """List the tasks of a plan."""
        levels = [each.fitted() for each in output_grid(plan, channels=0).levels]
        last = levels[len(plan.levels) - 1]  # the coarsest that the network predicts
        coarser = levels[len(plan.levels) :]
        grids = (plan.grid, *map(_blocks, coarser))
        fan = tuple(_fan(fine, coarse) for fine, coarse in pairwise((last, *coarser)))
        return cls(BlockTree(grids, fan), plan.times)

    def __len__(self) -> int:
        return self.times * len(self.tree)

    def __iter__(self) -> Iterator[Task]:
        return self.left(lambda _: False)

    def left(self, is_done: Callable[[int], bool]) -> Iterator[Task]:
        """Give tasks in order; where one is done, so are those that it needed."""
        return chain.from_iterable(self._left_at(time, is_done) for time in range(self.times))

    def task(self, number: int) -> Task:
        """Give the task of a number."""
        time, place = divmod(number, len(self.tree))
        return Task(number, time, self.tree.node(place))

    def needs(self, task: Task) -> Iterator[Task]:
        """Tasks that must be finished before this one can begin."""
        return (self._task(task.time, node) for node in self.tree.below(task.node))

    def needed_by(self, task: Task) -> Task | None:
        """Give the task that waits for this one; None where it is the coarsest."""
        above = self.tree.above(task.node)
        return None if above is None else self._task(task.time, above)

    def _left_at(self, time: int, is_done: Callable[[int], bool]) -> Iterator[Task]:
        nodes = self.tree.walk(lambda node: is_done(self._number(time, node)))
        return (self._task(time, node) for node in nodes)

    def _task(self, time: int, node: Node) -> Task:
        return Task(self._number(time, node), time, node)

    def _number(self, time: int, node: Node) -> int:
        return time * len(self.tree) + self.tree.number(node)


def _blocks(grid: OutputGrid) -> BlockGrid:
    dims = grid.axes.dims
    return BlockGrid(Box.whole(grid.shape[-dims:]), grid.shard[-dims:])


def _fan(fine: OutputGrid, coarse: OutputGrid) -> tuple[int, ...]:
    """Shards of a level along a shard of the next one; where there is one of these, all."""
    dims = fine.axes.dims
    factors = (-(-n // m) for n, m in zip(fine.shape, coarse.shape, strict=True))
    return tuple(
        max(1, f * there // here)
        for f, here, there in zip(
            list(factors)[-dims:], fine.shard[-dims:], coarse.shard[-dims:], strict=True
        )
    )
