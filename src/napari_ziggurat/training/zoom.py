"""Zoom: patches at other scales, so that one network serves several levels of a pyramid."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from napari_ziggurat.training.sampling import Sampler

__all__ = ["Zoom", "draw_zoomed", "zoomed", "zoomed_shapes"]


@dataclass(frozen=True)
class Zoom:
    """How patches are zoomed.

    Attributes
    ----------
    low, high : float
        Voxels of the image per voxel of the patch, drawn evenly on a logarithmic scale: above 1
        the patch shows more of the image, as a coarser level does.
    axes : int
        The last so many axes are zoomed; the others keep their voxels.
    """

    low: float
    high: float
    axes: int


def draw_zoomed(sampler: Sampler, zoom: Zoom, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Draw one patch at a random scale.

    Returns
    -------
    dict
        ``image`` (C, (Z), Y, X), ``target`` ((Z), Y, X) with 0 ignored, and where shapes are
        learned ``shapes`` (2, (Z), Y, X) with 0 unknown.
    """
    scale = math.exp(rng.uniform(math.log(zoom.low), math.log(zoom.high)))
    kept = len(sampler.patch) - zoom.axes
    wanted = [n if a < kept else max(1, round(n * scale)) for a, n in enumerate(sampler.patch)]
    wide = replace(sampler, patch=tuple(wanted))
    number, box = wide.place(rng)
    image, target = wide.read(number, box)
    shapes = wide.read_shapes(number, box, target)
    image, target = zoomed(image, target, sampler.patch)
    patch: dict[str, NDArray[Any]] = {"image": image, "target": target}
    return patch if shapes is None else {**patch, "shapes": zoomed_shapes(shapes, sampler.patch)}


def zoomed(
    image: NDArray[np.float32], target: NDArray[np.uint8], shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Bring a patch to another shape.

    The image becomes means where voxels are joined, and is interpolated linearly where they are
    divided. A voxel of the target is the class that covers most of what is labelled in it, however
    little that is: a thin stroke stays. It is ignored where nothing in it is labelled.

    Parameters
    ----------
    image : (C, (Z), Y, X) float32 array
        Normalised.
    target : ((Z), Y, X) uint8 array
        0 ignored.
    shape : tuple of int
        Of the result, ((Z), Y, X).
    """
    if target.shape == shape:
        return image, target
    return _resized(image, shape), _resized_target(target, shape)


def zoomed_shapes(shapes: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Bring shape targets (2, (Z), Y, X) to another shape.

    A voxel has the mean of what is known in it, and is unknown where nothing is.
    """
    if shapes.shape[1:] == shape:
        return shapes
    known = _resized((shapes > 0).astype(np.float32), shape)
    means = _resized(shapes.astype(np.float32), shape) / np.maximum(known, 1e-6)
    return np.where(known > 1e-6, np.rint(means).clip(1, 255), 0).astype(np.uint8)


def _resized(image: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    smaller = tuple(min(n, m) for n, m in zip(image.shape[1:], shape, strict=True))
    means = _pooled(image, smaller)
    if smaller == shape:
        return means
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(shape)]
    found = functional.interpolate(torch.from_numpy(means)[None], shape, mode=mode)[0]
    return np.asarray(found.numpy(), np.float32)


def _resized_target(target: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    near = target
    for axis, (n, m) in enumerate(zip(target.shape, shape, strict=True)):
        if m > n:  # voxels are divided
            near = near.take((np.arange(m) * n) // m, axis)
    values = [value for value in np.unique(near).tolist() if value]
    if near.shape == shape or not values:
        return near if values else np.zeros(shape, np.uint8)
    covered = _pooled(np.stack([near == value for value in values]).astype(np.float32), shape)
    most = np.array(values, np.uint8)[covered.argmax(axis=0)]
    return np.where(covered.max(axis=0) > 0, most, np.uint8(0))


def _pooled(channels: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Means of what falls into each voxel of a smaller grid."""
    pool = nn.AdaptiveAvgPool2d if len(shape) == 2 else nn.AdaptiveAvgPool3d
    found: torch.Tensor = pool(shape)(torch.from_numpy(np.ascontiguousarray(channels))[None])[0]
    return np.asarray(found.numpy(), np.float32)
