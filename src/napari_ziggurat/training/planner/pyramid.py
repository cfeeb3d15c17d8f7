"""Pyramid: a patch and the levels below it, and what of it fits into memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.config import Topology
from napari_ziggurat.training.planner.design import Machine, Wishes
from napari_ziggurat.training.planner.numbers import by, round_up, total_stride

__all__ = ["Pyramid", "build_pyramid", "shrink"]

_MAX_FEATURES = {2: 512, 3: 320}
_SMALLEST = 4  # voxels per axis on the coarsest level
_MAX_DEPTH = 5
_BYTES_PER_VALUE = 120  # of a level's features in training: activations, gradients, work space


@dataclass(frozen=True)
class Pyramid:
    """A patch and the levels below it, in the axes of the network."""

    patch: tuple[int, ...]
    features: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]
    branches: int = 1

    @property
    def total(self) -> tuple[int, ...]:
        """Total stride per axis."""
        return total_stride(self.strides)

    def bytes(self, batch: int) -> int:
        """Memory that a training step takes on the CPU, about."""
        voxels, values = math.prod(self.patch), 0.0
        for features, stride in zip(self.features, self.strides, strict=True):
            voxels //= math.prod(stride)
            values += voxels * features
        return round(self.branches * batch * values * _BYTES_PER_VALUE)


def build_pyramid(
    patch: tuple[int, ...],
    *,
    ratio: tuple[float, ...],
    machine: Machine,
    wishes: Wishes,
    given: Topology | None,
    branches: int,
) -> Pyramid:
    """Levels for a patch, which is rounded up so that they can be made."""
    if given:
        features, strides, kernels = given.features, given.strides, given.kernels
    else:
        strides, kernels = _levels(patch, ratio, wishes.depth)
        first = wishes.features or (32 if machine.gpu else 16)
        most = _MAX_FEATURES[len(patch)]
        features = tuple(min(first * 2**i, most) for i in range(len(strides)))
    total = total_stride(strides)
    if wishes.patch is None:  # two voxels of the coarsest grid, also of a network that there is
        patch = tuple(max(n, 2 * m if m > 1 else 1) for n, m in zip(patch, total, strict=True))
    return Pyramid(round_up(patch, total), features, strides, kernels, branches)


def _levels(
    patch: tuple[int, ...], ratio: tuple[float, ...], depth: int | None
) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """Strides and kernels per level."""
    size, spacing = list(patch), list(ratio)
    strides, kernels = [(1,) * len(patch)], [_kernel(spacing)]
    while len(strides) < (depth or _MAX_DEPTH):
        step = tuple(
            2 if s < 2 * min(spacing) and n >= 2 * _SMALLEST else 1
            for n, s in zip(size, spacing, strict=True)
        )
        if all(s == 1 for s in step):
            break
        size = [n // s for n, s in zip(size, step, strict=True)]
        spacing = [v * s for v, s in zip(spacing, step, strict=True)]
        strides.append(step)
        kernels.append(_kernel(spacing))
    if depth is not None and len(strides) < depth:
        raise InputError(
            f"A patch of {by(patch)} can be halved to {len(strides)} levels (the coarsest keeps "
            f"{_SMALLEST} voxels per axis); --depth {depth} asks for more, which takes a patch of "
            f"{by(_smallest_patch(ratio, depth))}. Give a larger --patch, or --depth "
            f"{len(strides)}."
        )
    return tuple(strides), tuple(kernels)


def _smallest_patch(ratio: tuple[float, ...], depth: int) -> tuple[int, ...]:
    """Give the smallest patch whose axes can all be halved as often as their spacing wants."""
    endless = (_SMALLEST << depth,) * len(ratio)
    strides, _ = _levels(endless, ratio, depth)
    return tuple(_SMALLEST * n if n > 1 else 1 for n in total_stride(strides))


def shrink(
    levels: Pyramid,
    batch: int,
    machine: Machine,
    wishes: Wishes,
    build: Callable[[tuple[int, ...]], Pyramid],
) -> tuple[Pyramid, int, tuple[str, ...]]:
    """Take a smaller batch, then a smaller patch, where the memory of the CPU is too small."""
    if machine.gpu or levels.bytes(batch) <= machine.memory:
        return levels, batch, ()
    if wishes.batch is None:
        batch = max(1, machine.memory // levels.bytes(1))
    while levels.bytes(batch) > machine.memory and not (wishes.patch or wishes.depth):
        smaller = build(_halved(levels.patch))
        if smaller.bytes(batch) >= levels.bytes(batch):
            break
        levels = smaller
    need, there = (f"{n / 1e9:.2g} GB" for n in (levels.bytes(batch), machine.memory))
    if levels.bytes(batch) > machine.memory:
        return levels, batch, (
            f"training takes about {need} of memory, more than the {there} there is; a smaller "
            "--batch, --patch or --features takes less",
        )  # fmt: skip
    return levels, batch, (f"training takes about {need} of the {there} of memory there is",)


def _halved(patch: tuple[int, ...]) -> tuple[int, ...]:
    """Halve the longest axis, unless it is short."""
    longest = patch.index(max(patch))
    return tuple(n // 2 if i == longest and n > 16 else n for i, n in enumerate(patch))


def _kernel(spacing: list[float]) -> tuple[int, ...]:
    return tuple(3 if s < 2 * min(spacing) else 1 for s in spacing)
