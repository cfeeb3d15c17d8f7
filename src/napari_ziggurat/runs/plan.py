"""Plan: what a segmentation will do, decided before anything is written."""

import math
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import psutil

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, BlockGrid, Box, Lattice
from napari_ziggurat.images import Image
from napari_ziggurat.images.units import convert_length
from napari_ziggurat.networks.checkpoint import ModelSpec
from napari_ziggurat.runs.options import SegmentOptions

__all__ = ["SegmentPlan", "check_disk", "choose_level", "output_axes", "plan_segmentation"]

# Bytes of activations per window voxel and feature of the finest level: about six tensors alive.
_TENSORS_ALIVE = 6
_BLOCK_SIDE = {2: 2048, 3: 256}
_SLICES_PER_BLOCK = 16


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
    chunk, shard : tuple of int
        Storage of the output per spatial axis; a shard is a block.
    precision, device : str
        How and where it is computed.
    workers : int
        Windows computed at the same time.
    probabilities : bool
        Probabilities are written beside the labels.
    """

    image: Image
    spec: ModelSpec
    level: int
    region: Box
    lattice: Lattice
    chunk: tuple[int, ...]
    shard: tuple[int, ...]
    precision: str
    device: str
    workers: int
    probabilities: bool
    version: Literal["0.4", "0.5"] = "0.5"

    @property
    def grid(self) -> BlockGrid:
        """Blocks of the region."""
        return BlockGrid(self.region, self.shard)

    @property
    def times(self) -> int:
        """Time points."""
        return self.image.times

    @cached_property
    def windows(self) -> int:
        """Windows to compute, over all blocks and time points."""
        return self.times * sum(self.lattice.count(b.write_box) for b in self.grid)

    @property
    def redundancy(self) -> float:
        """Voxels computed per voxel written."""
        computed = self.windows * math.prod(self.lattice.window_shape)
        return computed / max(1, self.times * self.region.size)

    @property
    def memory(self) -> int:
        """Bytes of memory that the run needs at most, about."""
        bytes_each = 2 if self.precision == "bfloat16" else 4
        features = self.spec.network.topology.features[0]
        window = math.prod(self.lattice.window_shape)
        classes, channels = len(self.spec.classes), len(self.spec.channels)
        per_voxel = bytes_each * features * _TENSORS_ALIVE + 4 * (channels + 2 * classes)
        block = math.prod(self.shard) * (1 + 4 * classes * self.probabilities)
        return self.workers * window * per_voxel + 2 * block

    @property
    def output_bytes(self) -> int:
        """Bytes of output before compression, coarser levels included."""
        per_voxel = 1 + 4 * len(self.spec.classes) * self.probabilities
        return int(self.times * self.region.size * per_voxel * 4 / 3)

    def render(self) -> str:
        """Say the plan in words."""
        level = self.image.levels[self.level]
        return (
            f"{self.image.name}: level {self.level} of {len(self.image.levels)}, "
            f"{_by(level.shape)} voxels of {level.spacing} (model: {self._model_spacing}); "
            f"region {self.region}\n"
            f"{len(self.grid) * self.times} blocks of {_by(self.shard)}, {self.windows} windows "
            f"of {_by(self.lattice.window_shape)}, {self.redundancy:.2f} voxels computed per "
            f"voxel written\n"
            f"{self.device}, {self.precision}, {self.workers} at a time; memory up to about "
            f"{self.memory / 1e9:.1f} GB; output up to {self.output_bytes / 1e9:.2f} GB before "
            "compression"
        )

    def as_dict(self) -> dict[str, object]:
        """Give the figures as JSON can hold them."""
        return {
            "level": self.level,
            "shape": list(self.region.shape),
            "spacing": list(self.image.levels[self.level].spacing.values),
            "unit": self.image.levels[self.level].spacing.unit,
            "blocks": len(self.grid) * self.times,
            "windows": self.windows,
            "window": list(self.lattice.window_shape),
            "redundancy": self.redundancy,
            "device": self.device,
            "precision": self.precision,
            "memory_bytes": self.memory,
            "output_bytes": self.output_bytes,
        }

    @property
    def _model_spacing(self) -> str:
        numbers = " x ".join(f"{v:.4g}" for v in self.spec.spacing)
        return f"{numbers} {self.spec.unit}" if self.spec.unit else f"{numbers}, no unit"


def plan_segmentation(
    image: Image, spec: ModelSpec, options: SegmentOptions, where: tuple[str, str, int]
) -> SegmentPlan:
    """Decide everything.

    Parameters
    ----------
    image, spec, options : Image, ModelSpec, SegmentOptions
        What is segmented, with what, and how.
    where : (str, str, int)
        Device, precision, number of windows computed at the same time.

    Raises
    ------
    InputError
        The model does not fit the image, the box lies outside, or the memory does not suffice.
    """
    _check_fit(image, spec)
    level = choose_level(image, spec) if options.level is None else options.level
    image.check_level(level)
    shape = image.levels[level].shape
    region = _region(image, level, options.box)
    lattice = Lattice(shape, spec.window, spec.rim, spec.stride)
    chunk, shard = _storage(region.shape, lattice.cell_shape, options.version)
    device, precision, workers = where
    plan = SegmentPlan(
        image, spec, level, region, lattice, chunk, shard, precision, device, workers,
        options.probabilities, options.version,
    )  # fmt: skip
    _check_memory(plan, options.memory)
    return plan


def choose_level(image: Image, spec: ModelSpec) -> int:
    """Find the level whose spacing is nearest to the one the model was trained at.

    Level 0 where image or model do not state a spacing, or not in comparable units.
    """
    spacings = [level.spacing for level in image.levels]
    if spec.unit is None or spacings[0].unit is None:
        return 0
    factor = convert_length(1.0, spacings[0].unit, spec.unit)
    if factor is None:
        return 0

    def distance(index: int) -> float:
        ratios = zip(spacings[index].values, spec.spacing, strict=True)
        return sum(abs(math.log(value * factor / wanted)) for value, wanted in ratios)

    return min(range(len(spacings)), key=distance)


def check_disk(plan: SegmentPlan, out: Path) -> None:
    """Refuse a run whose output, even well compressed, cannot fit on the disk."""
    free = shutil.disk_usage(out.parent if out.parent.exists() else ".").free
    if plan.output_bytes / 20 > free:
        raise InputError(
            f"The output needs up to {plan.output_bytes / 1e9:.1f} GB and the disk of '{out}' has "
            f"{free / 1e9:.1f} GB free. Make room, or give a --box or a coarser --level."
        )


def _check_fit(image: Image, spec: ModelSpec) -> None:
    if image.dims != len(spec.axes):
        raise InputError(
            f"The model was trained on {len(spec.axes)}D images (axes {spec.axes}); "
            f"'{image.name}' is {image.dims}D (axes {image.axes}). Use a model trained on such "
            "images, or say the axes with --axes."
        )
    if len(image.channels) != len(spec.channels):
        raise InputError(
            f"The model was trained on {len(spec.channels)} channel(s) "
            f"({', '.join(spec.channels)}); '{image.name}' has {len(image.channels)} "
            f"({', '.join(image.channels)})."
        )


def _region(image: Image, level: int, text: str | None) -> Box:
    whole = Box.whole(image.levels[level].shape)
    if text is None:
        return whole
    box = Box.parse(text)
    if box.ndim != whole.ndim or not whole.contains(box) or box.size == 0:
        raise InputError(
            f"The box {box} must lie inside the image, which is {whole} at level {level} "
            f"({image.axes.spatial})."
        )
    return box


def _storage(
    shape: tuple[int, ...], cell: tuple[int, ...], version: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunk and shard of the output: a chunk is a cell, a shard is as many as make a good file."""
    chunk = tuple(min(c, n) for c, n in zip(cell, shape, strict=True))
    if version == "0.4":
        return chunk, chunk
    side = _BLOCK_SIDE[len(shape)] if cell[0] > 1 or len(shape) == 2 else _BLOCK_SIDE[3] * 4
    wanted = [_SLICES_PER_BLOCK if c == 1 else max(1, side // c) for c in cell]
    fits = [-(-n // c) for n, c in zip(shape, chunk, strict=True)]
    shard = tuple(c * min(w, f) for c, w, f in zip(chunk, wanted, fits, strict=True))
    return chunk, shard


def _check_memory(plan: SegmentPlan, allowed: int | None) -> None:
    limit = allowed if allowed is not None else psutil.virtual_memory().available
    if plan.memory > limit:
        raise InputError(
            f"The run needs about {plan.memory / 1e9:.1f} GB with {plan.workers} windows at a "
            f"time and {limit / 1e9:.1f} GB may be used. Give --workers 1, more --memory, or "
            "train a model with a smaller --patch."
        )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def output_axes(image: Image) -> Axes:
    """Axes of the labels: time, where there is one, and space."""
    return Axes(("t" if image.axes.has("t") else "") + image.axes.spatial)
