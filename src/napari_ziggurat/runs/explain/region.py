"""Region: the part of an image that a network is watched on, and where its features lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box, Spacing
from napari_ziggurat.images import Image
from napari_ziggurat.images.finite import refuse_not_finite
from napari_ziggurat.networks import Model, ModelSpec
from napari_ziggurat.progress import Run
from napari_ziggurat.runs.config import ExplainConfig
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.session import Session

__all__ = ["Region", "centre_box", "choose_region"]

# Unless a person says the box: enough to see something, little enough to wait for.
_MOST_VOXELS = 2**20
_TENSORS_KEPT = 12  # of the finest level: the parts' outputs, and what computes them


@dataclass(frozen=True, eq=False)
class Region:
    """Voxels that are looked at, with their place.

    Attributes
    ----------
    image : Image
    level : int
    box : Box
        Voxels of the level, ((Z), Y, X).
    voxels : ndarray
        (C, (Z), Y, X) as stored.
    window : ndarray
        (C, (Z), Y, X) float32 as the network sees them: normalised, and without the axis of
        sections where it sees planes.
    device : str
        Where the network is watched.
    notes : tuple of str
        What a person should know of the choices, a sentence each.
    """

    image: Image
    level: int
    box: Box
    voxels: NDArray[np.generic]
    window: NDArray[np.float32]
    device: str
    notes: tuple[str, ...]

    @property
    def spacing(self) -> Spacing:
        """Size of a voxel."""
        return self.image.levels[self.level].spacing

    def place(self, stride: Sequence[int]) -> tuple[Spacing, tuple[float, ...]]:
        """Give spacing and translation of a feature that begins where the region begins.

        Its voxels stand for ``stride`` voxels of the region along each axis, so that their centres
        lie ``(stride - 1) / 2`` further.
        """
        level = self.image.levels[self.level]
        per_axis = zip(level.translation, self.box.start, stride, level.spacing.values, strict=True)
        shift = tuple(t + (start + (step - 1) / 2) * size for t, start, step, size in per_axis)
        return level.spacing.scaled(stride), shift

    def on_axes(self, stride: Sequence[int]) -> tuple[int, ...]:
        """Give a stride of the network along the axes of the image."""
        return (1,) * (self.box.ndim - len(stride)) + tuple(stride)

    def in_space(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give maps (C, ...) of the network the axes (C, (Z), Y, X) of the image."""
        return maps.reshape(maps.shape[0], *self.on_axes(maps.shape[1:]))


def choose_region(image: Image, model: Model, config: ExplainConfig) -> Run[Region]:
    """Choose level and box as `segment` would, and read them.

    Raises
    ------
    InputError
        The model does not fit the image, the box does not, or a voxel is NaN or infinite.
    """
    options = SegmentOptions(
        level=config.level, box=config.box, device=config.device, precision="float32", threads=1
    )
    with Session(model, options) as session:
        plan = session.plan(image)
        spec, shape = model.spec, image.levels[plan.level].shape
        box = centre_box(shape, spec.window, spec.stride) if config.box is None else plan.region
        if spec.dims < len(spec.axes):
            box = _middle_section(box)
        _check_memory(box, spec)
        yield from refuse_not_finite(image, plan.level, box, time=0)
        voxels = image.read(plan.level, box)
        window = session.intensity(image, plan.level, 0).apply(voxels)
        flat = window.reshape(window.shape[0], *window.shape[-spec.dims :])
        device = str(session.predictor.device)
    return Region(image, plan.level, box, voxels, flat, device, plan.notes)


def centre_box(shape: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> Box:
    """Put one window in the middle of an image; a smaller one where it holds very much.

    It begins on the network's stride, as windows of a segmentation do.
    """
    size = [min(w, n) for w, n in zip(window, shape, strict=True)]
    while math.prod(size) > _MOST_VOXELS and size != list(stride):
        axis = max(range(len(size)), key=lambda a: size[a] / stride[a])
        size[axis] = max(1, size[axis] // 2 // stride[axis]) * stride[axis]
    start = tuple(
        (n - s) // 2 // step * step for n, s, step in zip(shape, size, stride, strict=True)
    )
    return Box(start, tuple(a + s for a, s in zip(start, size, strict=True)))


def _middle_section(box: Box) -> Box:
    """Keep the section in the middle of the first axis."""
    middle = (box.start[0] + box.stop[0]) // 2
    return Box((middle, *box.start[1:]), (middle + 1, *box.stop[1:]))


def _check_memory(box: Box, spec: ModelSpec) -> None:
    needed = box.size * 4 * spec.network.topology.features[0] * _TENSORS_KEPT
    free = psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"To keep the features of {box.size} voxels needs about {needed / 1e9:.1f} GB and "
            f"{free / 1e9:.1f} GB are free. Give a smaller --box."
        )
