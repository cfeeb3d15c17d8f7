"""Work: the tasks of a run, in stages; each leaves files that are whole and is journalled after."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_output
from napari_ziggurat.images.pyramid import reduced
from napari_ziggurat.images.shards import files_digest, stored_files, write_shards
from napari_ziggurat.inference.objects import Faces, measure
from napari_ziggurat.runs.objects.files import Files
from napari_ziggurat.runs.objects.plan import ObjectsPlan

__all__ = ["Stage", "Work", "left", "stages"]


@dataclass(frozen=True)
class Stage:
    """Tasks that may be done in any order, all of them before those of the next stage.

    Attributes
    ----------
    name : str
        What is done.
    tasks : range
        Their numbers in the journal.
    """

    name: str
    tasks: range


def stages(plan: ObjectsPlan) -> list[Stage]:
    """List the stages: fragments of each block, their final numbers, and each coarser level."""
    names = ["fragments", "objects"]
    lengths = [plan.blocks, plan.blocks]
    for grid in plan.coarser():
        names.append("pyramid")
        lengths.append(len(grid))
    ends = np.cumsum(lengths).tolist()
    return [
        Stage(name, range(end - length, end))
        for name, length, end in zip(names, lengths, ends, strict=True)
    ]


@dataclass(frozen=True)
class Work:
    """Does tasks.

    Attributes
    ----------
    plan : ObjectsPlan
    store : Path
        OME-Zarr of the objects.
    draft : Path
        Folder of this process for files that have no name yet.
    """

    plan: ObjectsPlan
    store: Path
    draft: Path

    @property
    def files(self) -> Files:
        """What is kept of each block until the run is over."""
        return Files(self.store / ".ziggurat" / "fragments")

    def do(self, task: int) -> str:
        """Do a task; give the digest of what lies on the disk now."""
        blocks = self.plan.blocks
        if task < blocks:
            return self._find(task)
        return self._number(task - blocks) if task < 2 * blocks else self._coarsen(task)

    def _find(self, number: int) -> str:
        ground = self.plan.ground(number)
        found = self.plan.parting.find(ground)
        seen, fragments = found.seen, found.fragments
        measured = measure(fragments, seen.classes, ground, self._image(number), seen.certainty)
        return self.files.save(number, measured, Faces.of(fragments), found.basins)

    def _number(self, number: int) -> str:
        found = self.plan.parting.find(self.plan.ground(number))
        offsets, ids = self.files.numbers("offsets"), self.files.numbers("ids")
        mine = np.array(ids[int(offsets[number]) : int(offsets[number + 1])])
        if len(mine) != found.count:
            raise WorkFailed(
                f"'{self.plan.labels.source}' has changed since its objects were looked for. Say "
                "--overwrite to begin again."
            )
        table = np.concatenate([np.zeros(1, np.uint64), mine])
        return self._write(0, self.plan.slices(number), table[found.fragments])

    def _coarsen(self, task: int) -> str:
        for level, stage in enumerate(stages(self.plan)[2:], 1):
            if task in stage.tasks:
                box = self._coarse_box(level, task - stage.tasks.start)
                fine, coarse = self._levels[level - 1 : level + 1]
                return self._write(level, box.slices, reduced(fine, coarse, box, "labels"))
        raise AssertionError(f"no stage has the task {task}")

    def _coarse_box(self, level: int, place: int) -> Box:
        grid = list(self.plan.coarser())[level - 1]
        return grid.block(tuple(int(i) for i in np.unravel_index(place, grid.counts))).write_box

    def _write(self, level: int, slices: tuple[slice, ...], voxels: NDArray[Any]) -> str:
        array = self._levels[level]
        whole = voxels.reshape([part.stop - part.start for part in slices])
        write_shards(array, slices, whole, self.draft)
        return files_digest(stored_files(array, slices))

    def _image(self, number: int) -> NDArray[Any] | None:
        if self.plan.image is None:
            return None
        ground = self.plan.ground(number)
        return self.plan.image.read(self.plan.image_level, ground.box, ground.time)

    @cached_property
    def _levels(self) -> list[Any]:
        return open_output(self.store)


def left(stage: Stage, done: set[int]) -> Iterator[int]:
    """Give the tasks of a stage that are not done."""
    return (task for task in stage.tasks if task not in done)
