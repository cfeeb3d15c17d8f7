"""Cost: the memory, the disk and the time that a segmentation takes, known before it begins."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_ziggurat.progress import duration

if TYPE_CHECKING:
    from napari_ziggurat.runs.plan.plan import SegmentPlan

__all__ = ["Cost", "Probe", "gigabytes"]

# Blocks in memory beside those that are read and computed: written, and what their codecs copy.
_BLOCKS_WRITTEN = 2
# Bytes per window voxel and feature of the finest level, before anything was measured.
_TENSORS_ALIVE = 10
# What Python, zarr and the allocator keep beside what is counted.
_MARGIN = 150 * 2**20


@dataclass(frozen=True)
class Probe:
    """What two windows of noise showed, before the run.

    Attributes
    ----------
    seconds : float
        Time of a forward: one window on the CPU, one batch on a GPU.
    memory : int
        Bytes that it takes at its peak, on the device.
    around : float
        Time of a window of surroundings, where they are seen.
    """

    seconds: float
    memory: int
    around: float = 0.0


@dataclass(frozen=True)
class Cost:
    """What a plan costs.

    Attributes
    ----------
    plan : SegmentPlan
    """

    plan: "SegmentPlan"

    @property
    def network(self) -> int:
        """Bytes for the windows that are computed at the same time, on the device."""
        engine = self.plan.engine
        if engine.probe is not None:
            groups = engine.at_once if engine.device == "cpu" else 1  # a GPU was shown a batch
            return groups * engine.probe.memory
        bytes_each = 2 if engine.precision == "bfloat16" else 4
        features = self.plan.spec.network.topology.features[0]
        around = self.plan.surround
        largest = max(self._window, math.prod(around.lattice.window_shape) if around else 0)
        return engine.at_once * largest * bytes_each * features * _TENSORS_ALIVE

    @property
    def memory(self) -> int:
        """Bytes of the machine's memory that the run takes at its peak, this process included."""
        engine = self.plan.engine
        network = self.network if engine.free is None else 0
        held = self._windows_waiting + self._blocks + self._surroundings
        each = engine.base + network + held + _MARGIN
        waits = engine.base if engine.processes > 1 else 0  # the process that started the others
        passes = (replace(coarse, engine=engine).cost.memory for coarse in self.plan.coarse)
        return max(engine.processes * each + waits, *passes, 0)

    @property
    def output(self) -> int:
        """Bytes of output before compression, coarser levels and working stores included."""
        plan = self.plan
        own = int(plan.times * plan.region.size * self._bytes_written * 4 / 3)
        return own + sum(coarse.cost.output for coarse in plan.coarse)

    @property
    def seconds(self) -> float | None:
        """Time that the run takes; None where nothing was measured."""
        engine = self.plan.engine
        if engine.probe is None:
            return None
        groups = self.plan.all_windows / engine.at_once
        alone = engine.at_once if engine.device == "cpu" else 1  # a GPU computes them one by one
        around = self.plan.surround_windows / alone * engine.probe.around
        return (groups * engine.probe.seconds + around) / engine.processes

    def render(self) -> str:
        """Say the costs in words."""
        took = "" if self.seconds is None else f"about {duration(self.seconds)}; "
        words = f"{took}memory up to about {gigabytes(self.memory)}"
        if self.plan.engine.free is not None:
            words += f" and {gigabytes(self.network)} of the device's"
        return f"{words}; output up to {gigabytes(self.output)} before compression"

    @property
    def _window(self) -> int:
        return math.prod(self.plan.lattice.window_shape)

    @property
    def _voxels_predicted(self) -> float:
        """Voxels over all predicted levels, per voxel of the finest."""
        return sum(1 / math.prod(level.downsampling) for level in self.plan.levels)

    @property
    def _windows_waiting(self) -> int:
        outputs, channels = len(self.plan.spec.outputs), len(self.plan.spec.channels)
        per_voxel = 4 * (channels + 2 * outputs * self._voxels_predicted)
        return int(self.plan.engine.waiting * self._window * per_voxel)

    @property
    def _blocks(self) -> int:
        plan = self.plan
        block = plan.grid.block((0,) * len(plan.shard)).write_box
        read = plan.lattice.read_box(block).size * len(plan.spec.channels)
        summed = plan.lattice.blend + sum(self._share(coarse) for coarse in plan.coarse)
        blended = int(4 * len(plan.spec.outputs) * block.size * summed)
        made = block.size * self._bytes_written * self._voxels_predicted
        ahead = plan.blocks_open * (read * plan.image.dtype.itemsize + blended)
        return int(ahead + (plan.blocks_open + _BLOCKS_WRITTEN) * made)

    @property
    def _surroundings(self) -> int:
        """Features of the surroundings that are kept, and what is read to make them."""
        plan = self.plan
        if plan.surround is None:
            return 0
        bytes_each = 2 if plan.engine.precision == "bfloat16" else 4
        return plan.surround.memory(plan.region, bytes_each, plan.engine.waiting)

    def _share(self, coarse: "SegmentPlan") -> float:
        """Voxels of a coarser level per voxel of this one."""
        return math.prod(self.plan.upsampling(coarse.level).step)

    @property
    def _bytes_written(self) -> int:
        """Bytes per voxel, labels and probabilities."""
        return 1 + self.plan.probabilities * self.plan.probability_bytes * len(
            self.plan.spec.outputs
        )


def gigabytes(amount: int) -> str:
    """Put a number of bytes in words."""
    if amount < 1e8:
        return f"{amount / 1e6:.1f} MB"
    return f"{amount / 1e9:.2f} GB" if amount < 1e10 else f"{amount / 1e9:.0f} GB"
