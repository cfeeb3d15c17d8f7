"""Padding: images of any size, brought to the grid of a network's coarsest feature."""

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["pad_to_grid", "pad_to_multiple", "pad_to_size"]


def pad_to_grid(x: torch.Tensor, stride: Sequence[int], *, compares: bool) -> torch.Tensor:
    """Pad to the stride, and to two voxels of the coarsest grid for norms that compare them."""
    multiple = tuple(stride)
    if compares and not torch.compiler.is_exporting() and _within(x, multiple):
        multiple = (*multiple[:-1], 2 * multiple[-1])
    return pad_to_multiple(x, multiple)


def pad_to_multiple(x: torch.Tensor, stride: Sequence[int]) -> torch.Tensor:
    """Repeat the last voxels until each spatial axis is a multiple of its stride."""
    missing = [-n % m for n, m in zip(x.shape[2:], stride, strict=True)]
    if not torch.compiler.is_exporting() and not any(missing):
        return x  # an exported network must not depend on the size of its example
    return _repeat_last(x, missing)


def pad_to_size(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Repeat the last voxels until each spatial axis is at least so long."""
    missing = [max(0, wanted - n) for n, wanted in zip(x.shape[2:], size, strict=True)]
    return _repeat_last(x, missing) if any(missing) else x


def _repeat_last(x: torch.Tensor, missing: Sequence[int]) -> torch.Tensor:
    pads = [p for n in reversed(missing) for p in (0, n)]
    return functional.pad(x, pads, mode="replicate")


def _within(x: torch.Tensor, size: Sequence[int]) -> bool:
    return all(n <= most for n, most in zip(x.shape[2:], size, strict=True))
