"""Plan of objects: blocks, tasks and their order, and what is written."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Block, BlockGrid, Box
from napari_ziggurat.images import Image, OutputGrid, open_image
from napari_ziggurat.images.statistics import sample_digest
from napari_ziggurat.inference.objects import Ground, Layout
from napari_ziggurat.networks import ObjectSettings
from napari_ziggurat.runs.config import ObjectsConfig
from napari_ziggurat.runs.config.objects import least_voxels
from napari_ziggurat.runs.objects.choices import NO_SPLIT, settled
from napari_ziggurat.runs.objects.parting import Parting
from napari_ziggurat.runs.objects.voxels import ClassVoxels
from napari_ziggurat.runs.output.journal import Fingerprint

__all__ = ["ObjectsPlan"]

_BLOCK = {2: 2048, 3: 256}
_CHUNK = {2: 512, 3: 64}


@dataclass(frozen=True)
class ObjectsPlan:
    """What will be done.

    Attributes
    ----------
    voxels : ClassVoxels
        What objects are made of.
    image : Image or None
        What is measured in them; ``image_level`` has the shape of the labels.
    block, chunk : tuple of int
        Shape of a block, which is a shard, and of a chunk.
    settings : ObjectSettings
        How objects are made of the voxels of a class.
    origin : str
        Where the settings come from, for whoever watches.
    """

    voxels: ClassVoxels
    config: ObjectsConfig
    image: Image | None
    image_level: int
    block: tuple[int, ...]
    chunk: tuple[int, ...]
    settings: ObjectSettings = NO_SPLIT
    origin: str = ""

    @classmethod
    def of(cls, config: ObjectsConfig) -> "ObjectsPlan":
        """Open what is needed, and refuse what does not fit."""
        labels = open_image(
            config.labels, axes=config.axes, spacing=config.spacing, unit=config.unit
        )
        voxels, settings, origin = settled(
            ClassVoxels.of(labels, foreground=config.task == "foreground"), config
        )
        image = None if config.image is None else open_image(config.image, like=labels)
        level = 0 if image is None else _matching_level(image, labels)
        storage = _storage(config.block, labels.levels[0].shape)
        plan = cls(voxels, config, image, level, *storage, settings, origin)
        assert plan.least >= 0  # a size in a unit that does not fit is refused now
        return plan

    @property
    def labels(self) -> Image:
        """What objects are made of."""
        return self.voxels.source

    @cached_property
    def grid(self) -> BlockGrid:
        """Blocks of one time point."""
        return BlockGrid(Box.whole(self.labels.levels[0].shape), self.block)

    @cached_property
    def blocks(self) -> int:
        """Blocks of all time points."""
        return self.labels.times * len(self.grid)

    @property
    def parting(self) -> Parting:
        """What makes fragments of the voxels of a block."""
        spacing = self.labels.levels[0].spacing.values
        return Parting(self.voxels, self.settings, self.config.connectivity, spacing)

    @property
    def least(self) -> int:
        """Voxels that an object has at least."""
        spacing = self.labels.levels[0].spacing
        return math.ceil(least_voxels(self.config.min_size, spacing.values, spacing.unit) - 1e-9)

    @property
    def layout(self) -> Layout:
        """What is told of each object."""
        channels = 0 if self.image is None else len(self.image.channels)
        real = self.image is not None and self.image.dtype.kind == "f"
        return Layout(self.labels.dims, channels, real, bool(self.voxels.values))

    def ground(self, number: int) -> Ground:
        """Give the place of a block."""
        time, _ = divmod(number, len(self.grid))
        return Ground(self.block_at(number).write_box, self.grid.region.shape, time)

    def block_at(self, number: int) -> Block:
        """Give the block of a number; blocks are numbered as they lie, time by time."""
        place = number % len(self.grid)
        return self.grid.block(tuple(int(i) for i in np.unravel_index(place, self.grid.counts)))

    def neighbour(self, number: int, step: tuple[int, ...]) -> int | None:
        """Give the number of the block a step away; None beyond the end of the image."""
        index = [i + s for i, s in zip(self.block_at(number).index, step, strict=True)]
        if any(not 0 <= i < n for i, n in zip(index, self.grid.counts, strict=True)):
            return None
        place = int(np.ravel_multi_index(index, self.grid.counts))
        return number - number % len(self.grid) + place

    def slices(self, number: int) -> tuple[slice, ...]:
        """Voxels of a block in the output, one range per stored axis."""
        ground = self.ground(number)
        time = (slice(ground.time, ground.time + 1),) if self.labels.axes.has("t") else ()
        return (*time, *ground.box.slices)

    @cached_property
    def output(self) -> OutputGrid:
        """Finest level of what is written."""
        level, timed = self.labels.levels[0], self.labels.axes.has("t")
        return OutputGrid(
            axes=Axes("t" * timed + self.labels.axes.spatial),
            shape=(*[self.labels.times] * timed, *level.shape),
            dtype=np.dtype(np.uint64),
            spacing=level.spacing,
            translation=level.translation,
            chunk=(*[1] * timed, *self.chunk),
            shard=(*[1] * timed, *self.block),
        )

    def coarser(self) -> Iterator[BlockGrid]:
        """Give the shards of each coarser level, in stored axes."""
        for level in self.output.levels[1:]:
            fitted = level.fitted()
            yield BlockGrid(Box.whole(fitted.shape), fitted.shard)

    def fingerprint(self) -> Fingerprint:
        """Give everything that decides the result."""
        level, config = self.labels.levels[0], self.config
        return Fingerprint(
            {
                "input": {
                    "axes": str(self.labels.axes),
                    "shape": list(level.shape),
                    "dtype": str(self.labels.dtype),
                    "place": [*level.spacing.values, level.spacing.unit, *level.translation],
                    "content": sample_digest(self.labels, 0),
                },
                "image": None
                if self.image is None
                else sample_digest(self.image, self.image_level),
                "task": config.task,
                "connectivity": config.connectivity,
                "minimum size": self.least,
                "block": list(self.block),
                "OME-Zarr version": config.version,
                **self._parting,
            }
        )

    @property
    def _parting(self) -> dict[str, float]:
        least = {} if self.voxels.least is None else {"foreground": self.voxels.least}
        if not self.parting.cuts:
            return least
        boundary = {"boundary": self.settings.boundary} if self.voxels.shapes else {}
        return {"split": self.settings.split, **least, **boundary}

    def render(self) -> str:
        """Say what will be done."""
        level = self.labels.levels[0]
        times = f" at {self.labels.times} times" if self.labels.times > 1 else ""
        return (
            f"{self.labels.name}: {_by(level.shape)} voxels{times}, {self.blocks} blocks of "
            f"{_by(self.block)}; objects of {self.least} voxels and more"
            + (f"; {self.words}" if self.words else "")
        )

    @property
    def words(self) -> str:
        """Say how objects are made and where that comes from; nothing for plain components."""
        said = [f"{name} {value:g}" for name, value in self._parting.items()]
        return f"{', '.join(said)} ({self.origin})" if said else ""


def _storage(
    asked: tuple[int, ...] | None, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose the shapes of a block and of a chunk; a block is a whole number of chunks."""
    wished = asked or (_BLOCK[len(shape)],) * len(shape)
    if len(wished) != len(shape):
        raise InputError(
            f"--block needs one value per spatial axis of the labels, that is {len(shape)}; got "
            f"{','.join(map(str, wished))}."
        )
    most = _CHUNK[len(shape)]
    block = tuple(min(b, n) for b, n in zip(wished, shape, strict=True))
    chunk = tuple(min(b, most) for b in block)
    return tuple(-(-b // c) * c for b, c in zip(block, chunk, strict=True)), chunk


def _matching_level(image: Image, labels: Image) -> int:
    shape = labels.levels[0].shape
    found = [i for i, level in enumerate(image.levels) if level.shape == shape]
    if not found or image.times != labels.times:
        sizes = ", ".join(_by(level.shape) for level in image.levels)
        raise InputError(
            f"No level of {image.source or image.name} ({sizes}; {image.times} time points) has "
            f"the shape of the labels ({_by(shape)}; {labels.times} time points). Give the image "
            "that was segmented."
        )
    return found[0]


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
