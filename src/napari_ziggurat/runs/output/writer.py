"""Block writer: the shards of a block, whole and on the disk before anything is said of them."""

import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_output
from napari_ziggurat.images.pyramid import finer_box, reduced
from napari_ziggurat.images.shards import files_digest, stored_files, write_shards
from napari_ziggurat.runs.output.block_result import BlockResult
from napari_ziggurat.runs.output.tasks import Task
from napari_ziggurat.runs.plan.plan import SegmentPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BlockWriter"]


@dataclass(frozen=True)
class _Store:
    """One of the OME-Zarrs that are written."""

    path: Path
    kind: Literal["labels", "image"]

    @cached_property
    def levels(self) -> Sequence[Any]:
        """Arrays, finest first; opened once, for their metadata does not change."""
        return open_output(self.path)


@dataclass(frozen=True)
class BlockWriter:
    """Writes blocks into the stores of a run.

    Attributes
    ----------
    plan : SegmentPlan
    labels : Path
        OME-Zarr of the labels.
    probabilities : Path or None
        OME-Zarr of the probabilities, where they are wanted.
    drafts : Path
        Folder for files that have no name yet.
    """

    plan: SegmentPlan
    labels: Path
    probabilities: Path | None
    drafts: Path

    def write(self, task: Task, result: BlockResult) -> str:
        """Write a block that was predicted, at each level that the network predicts.

        Returns
        -------
        str
            Digest of the files, which are on the disk; `digest` gives it again.
        """
        voxels: list[Sequence[NDArray[Any]]] = [result.labels, result.probabilities]
        for store, levels in zip(self._stores, voxels, strict=False):
            boxes = self._boxes(task, store)
            for array, box, values in zip(store.levels, boxes, levels, strict=False):
                write_shards(array, box.slices, values.reshape(box.shape), self._draft / store.kind)
        return self.digest(task)

    def coarsen(self, task: Task) -> str:
        """Write a block of a coarser level from the finer ones below it; as `write` otherwise."""
        level = self._level(task)
        for store in self._stores:
            (box,), (fine, coarse) = self._boxes(task, store), store.levels[level - 1 : level + 1]
            if _is_stored(fine, finer_box(fine, coarse, box)):
                voxels = reduced(fine, coarse, box, store.kind)
                write_shards(coarse, box.slices, voxels, self._draft / store.kind)
            else:
                _remove(stored_files(coarse, box.slices))
        return self.digest(task)

    def leave_empty(self, task: Task) -> str:
        """Let a block be 0 throughout, which is not stored; as `write` otherwise."""
        _remove(self._files(task))
        return self.digest(task)

    def digest(self, task: Task) -> str:
        """Give a SHA-256 of the files of a block; one that is missing counts as such."""
        return files_digest(self._files(task))

    def close(self) -> None:
        """Remove the drafts of this process."""
        shutil.rmtree(self._draft, ignore_errors=True)

    @cached_property
    def _draft(self) -> Path:
        return self.drafts / uuid.uuid4().hex

    @cached_property
    def _stores(self) -> tuple[_Store, ...]:
        labels = _Store(self.labels, "labels")
        if self.probabilities is None:
            return (labels,)
        return labels, _Store(self.probabilities, "image")

    def _level(self, task: Task) -> int:
        """Level of the output; those that are predicted share one task."""
        return len(self.plan.levels) - 1 + task.node.level

    def _boxes(self, task: Task, store: _Store) -> list[Box]:
        """Give what a task writes: a box per level that it writes, with a range per stored axis."""
        box = task.node.block.write_box
        if task.node.level:
            return [self._with_leading(task, store, box)]
        plan = self.plan
        return [
            self._with_leading(
                task, store, level.box(box).relative_to(level.box(plan.region).start)
            )
            for level in plan.levels
        ]

    def _with_leading(self, task: Task, store: _Store, box: Box) -> Box:
        time = [(task.time, task.time + 1)] if self.plan.image.axes.has("t") else []
        channels = [(0, len(self.plan.spec.outputs))] if store.kind == "image" else []
        start, stop = zip(*time, *channels, *zip(box.start, box.stop, strict=True), strict=True)
        return Box(start, stop)

    def _files(self, task: Task) -> Iterator[Path]:
        first = self._level(task) if task.node.level else 0
        return chain.from_iterable(
            stored_files(array, box.slices)
            for store in self._stores
            for array, box in zip(store.levels[first:], self._boxes(task, store), strict=False)
        )


def _is_stored(array: Any, box: Box) -> bool:
    """Tell whether a box may have a voxel other than 0."""
    return any(path.exists() for path in stored_files(array, box.slices))


def _remove(files: Iterable[Path]) -> None:
    """Remove what somebody else may have put where nothing belongs."""
    for path in files:
        path.unlink(missing_ok=True)
