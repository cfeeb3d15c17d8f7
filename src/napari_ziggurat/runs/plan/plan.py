"""Plan: what a segmentation will do, decided before anything is written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from napari_ziggurat.geometry import Axes, BlockGrid, Box, Lattice, Upsampling
from napari_ziggurat.images import Image
from napari_ziggurat.inference.levels import PredictedLevel
from napari_ziggurat.networks.checkpoint import ModelSpec
from napari_ziggurat.runs.plan.cost import Cost, Probe
from napari_ziggurat.runs.plan.gate import GateRule
from napari_ziggurat.runs.plan.surround import SurroundPlan

__all__ = ["Engine", "SegmentPlan", "by", "output_axes"]


@dataclass(frozen=True)
class Engine:
    """What computes.

    Attributes
    ----------
    device, precision : str
        Where and how.
    at_once : int
        Windows computed at the same time.
    waiting : int
        Windows read ahead or computed and not yet written.
    free : int or None
        Free memory of a device that has its own, in bytes; None where it shares the machine's.
    base : int
        Bytes that a process holds before it begins.
    processes : int
        How many of these compute beside each other.
    probe : Probe or None
        What a window takes, where it was measured.
    """

    device: str
    precision: str
    at_once: int
    waiting: int
    free: int | None = None
    base: int = 0
    processes: int = 1
    probe: Probe | None = None


@dataclass(frozen=True)
class SegmentPlan:
    """Level, windows, blocks and what they cost.

    Attributes
    ----------
    image, spec : Image, ModelSpec
        What is segmented, with what.
    level : int
        Level of the image that is read.
    region : Box
        Voxels of the level that are written.
    lattice : Lattice
        Cells and windows, anchored to the image.
    levels : tuple of PredictedLevel
        Levels of the output that the network predicts, finest first; coarser ones are downsampled.
    chunk, shard : tuple of int
        Storage of the output per spatial axis; a shard is a block.
    engine : Engine
        What computes.
    probabilities : bool
        Probabilities are written beside the labels.
    probability_type : str
        Type that they are stored in.
    version : str
        Version of the OME-Zarr that is written.
    notes : tuple of str
        What a person should know of the choices, a sentence each.
    coarse : tuple of SegmentPlan
        Passes over coarser levels of the image that come before, finest of them first.
    gate : GateRule or None
        By what it is decided where to compute; everywhere when None.
    weights : tuple of tuple of float
        Where levels are fused, one for each level, the finest first, and class.
    surround : SurroundPlan or None
        Where the surroundings come from that the network sees; None where it sees none.
    """

    image: Image
    spec: ModelSpec
    level: int
    region: Box
    lattice: Lattice
    levels: tuple[PredictedLevel, ...]
    chunk: tuple[int, ...]
    shard: tuple[int, ...]
    engine: Engine
    probabilities: bool
    probability_type: str = "float32"
    version: Literal["0.4", "0.5"] = "0.5"
    notes: tuple[str, ...] = ()
    coarse: tuple["SegmentPlan", ...] = ()
    gate: GateRule | None = None
    weights: tuple[tuple[float, ...], ...] = ()
    surround: SurroundPlan | None = None

    @property
    def grid(self) -> BlockGrid:
        """Blocks of the region."""
        return BlockGrid(self.region, self.shard)

    @property
    def read_regions(self) -> tuple[tuple[int, Box], ...]:
        """Levels that are read, and the voxels of each: the region and what is seen around it."""
        inside = self.lattice.read_box(self.region)
        own = (self.level, inside)
        return (own,) if self.surround is None else (own, self.surround.read_region(inside))

    @property
    def times(self) -> int:
        """Time points."""
        return self.image.times

    @cached_property
    def windows(self) -> int:
        """Windows to compute, over all blocks and time points."""
        return self.times * self.lattice.total(self.grid)

    @property
    def all_windows(self) -> int:
        """Windows to compute, those of coarser levels included."""
        return self.windows + sum(each.windows for each in self.coarse)

    @property
    def surround_windows(self) -> int:
        """Windows of surroundings to compute, those of coarser levels of the image included."""
        seen = self.lattice.read_box(self.region)
        own = self.times * self.surround.windows(seen) if self.surround else 0
        return own + sum(each.surround_windows for each in self.coarse)

    def upsampling(self, coarse: int) -> Upsampling:
        """Tell how voxels of a coarser level of the image are brought to the grid of this plan."""
        return self.image.levels[self.level].upsampling(self.image.levels[coarse])

    @property
    def redundancy(self) -> float:
        """Voxels computed per voxel written."""
        computed = self.windows * math.prod(self.lattice.window_shape)
        return computed / max(1, self.times * self.region.size)

    @property
    def blocks_open(self) -> int:
        """Blocks that are read or computed at the same time."""
        if self.gate is not None:  # little may be left to compute in each
            return 1 + self.engine.waiting
        cells = self.lattice.count(self.grid.block((0,) * len(self.shard)).write_box)
        return 1 + -(-self.engine.waiting // cells)

    @property
    def cost(self) -> Cost:
        """Memory, disk and time."""
        return Cost(self)

    @property
    def probability_bytes(self) -> int:
        """Bytes of one probability."""
        return np.dtype(self.probability_type).itemsize

    def with_note(self, note: str) -> "SegmentPlan":
        """Give the same plan with one more sentence for a person."""
        return replace(self, notes=(*self.notes, note))

    def with_windows(self, at_once: int) -> "SegmentPlan":
        """Give the same plan with so many windows at the same time, on the CPU."""
        engine = self.engine
        waiting = engine.waiting - (engine.at_once - at_once)
        return replace(self, engine=replace(engine, at_once=at_once, waiting=waiting))

    def with_fewest(self) -> "SegmentPlan":
        """Give the same plan with one window at a time in one process."""
        engine = self.engine
        waiting = 2 if engine.device == "cpu" else 3
        fewest = replace(engine, at_once=1, waiting=min(engine.waiting, waiting), processes=1)
        return replace(self, engine=fewest)

    def with_smallest_block(self) -> "SegmentPlan":
        """Give the same plan with blocks of one cell."""
        return replace(self, shard=self.chunk)

    def render(self) -> str:
        """Say the plan in words."""
        level = self.image.levels[self.level]
        return (
            f"{self.image.name}: level {self.level} of {len(self.image.levels)}, "
            f"{by(level.shape)} voxels of {level.spacing} (model: {self._model_spacing}); "
            f"region {self.region}\n"
            f"{len(self.grid) * self.times} blocks of {by(self.shard)}, {self.windows} windows "
            f"of {by(self.lattice.window_shape)}, {self.redundancy:.2f} voxels computed per "
            f"voxel written\n"
            f"{self.engine.device}, {self.engine.precision}, {self.engine.at_once} at a time"
            f"{self._processes}; {self.cost.render()}" + "".join(f"\n{note}" for note in self.notes)
        )

    def as_dict(self) -> dict[str, object]:
        """Give the figures as JSON can hold them."""
        seen = self.lattice.read_box(self.region)
        return {
            "level": self.level,
            "shape": list(self.region.shape),
            "spacing": list(self.image.levels[self.level].spacing.values),
            "unit": self.image.levels[self.level].spacing.unit,
            "blocks": len(self.grid) * self.times,
            "windows": self.windows,
            "coarser_levels": {str(each.level): each.windows for each in self.coarse},
            "level_weights": [list(row) for row in self.weights],
            "window": list(self.lattice.window_shape),
            "redundancy": self.redundancy,
            "device": self.engine.device,
            "precision": self.engine.precision,
            "windows_at_once": self.engine.at_once,
            "processes": self.engine.processes,
            "memory_bytes": self.cost.memory,
            "device_memory_bytes": None if self.engine.free is None else self.cost.network,
            "output_bytes": self.cost.output,
            "seconds": self.cost.seconds,
            "predicted_levels": [
                {"level": number, "output": level.output, "downsampling": list(level.downsampling)}
                for number, level in enumerate(self.levels)
            ],
            "notes": list(self.notes),
            **({"surroundings": self.surround.as_dict(seen)} if self.surround else {}),
        }

    @property
    def _processes(self) -> str:
        count = self.engine.processes
        return f" in each of {count} processes" if count > 1 else ""

    @property
    def _model_spacing(self) -> str:
        numbers = " x ".join(f"{v:.4g}" for v in self.spec.spacing)
        return f"{numbers} {self.spec.unit}" if self.spec.unit else f"{numbers}, no unit"


def by(shape: Sequence[int]) -> str:
    """Put a shape in words."""
    return " x ".join(map(str, shape))


def output_axes(image: Image) -> Axes:
    """Axes of the labels: time, where there is one, and space."""
    return Axes(("t" if image.axes.has("t") else "") + image.axes.spatial)
