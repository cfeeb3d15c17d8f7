"""Validation: Dice on fixed patches that were not trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ziggurat.geometry import BlockGrid, Box, SurroundGrids
from napari_ziggurat.networks.blocks import crop
from napari_ziggurat.networks.intensity import Intensity
from napari_ziggurat.training.volumes import LabelledVolume

__all__ = [
    "MOST_PATCHES",
    "Look",
    "compare_patch",
    "patch_logits",
    "spread_patches",
    "validate",
]

MOST_PATCHES = 64


@dataclass(frozen=True)
class Look:
    """What a network sees at once.

    Attributes
    ----------
    patch : tuple of int
        Shape of a patch in the axes of the volumes.
    flat : bool
        The network sees planes of volumes.
    around : SurroundGrids or None
        Of the surroundings that it sees as well.
    """

    patch: tuple[int, ...]
    flat: bool
    around: SurroundGrids | None = None


@torch.inference_mode()
def validate(
    network: nn.Module,
    volumes: Sequence[LabelledVolume],
    intensities: Sequence[Intensity],
    patch: tuple[int, ...],
    *,
    flat: bool,
    around: SurroundGrids | None = None,
) -> dict[int, float]:
    """Dice of each class over evenly spread patches of the validation volumes.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    volumes, intensities : sequence of LabelledVolume, Intensity
        What is scored, and how it is normalised.
    patch : tuple of int
        Shape of a patch in the axes of the volumes.
    flat : bool
        The network sees planes of volumes.
    around : SurroundGrids, optional
        Of the surroundings that it sees as well, along the axes of the volumes.

    Returns
    -------
    dict of int to float
        Dice by class value, pooled over the patches; classes that do not occur are left out.
    """
    values, look = volumes[0].code.values, Look(patch, flat, around)
    counts = np.zeros((len(values), len(values)), np.int64)
    for number, box in spread_patches(volumes, patch):
        target, found = compare_patch(network, volumes[number], intensities[number], box, look)
        counts += _confusion(target, found, len(values))
    return _dice(counts, values)


@torch.inference_mode()
def compare_patch(
    network: nn.Module, volume: LabelledVolume, intensity: Intensity, box: Box, look: Look
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Compute a patch.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    volume, intensity : LabelledVolume, Intensity
        What is looked at, and how it is normalised.
    box : Box
        Voxels of the volume, at most a patch.
    look : Look
        What the network sees.

    Returns
    -------
    target : (Z, Y, X) or (Y, X) uint8 array
        0 where nothing is labelled, k where the class of channel k - 1 is.
    found : int64 array of the same shape
        The channel of the largest logit.
    """
    target, logits = patch_logits(network, volume, intensity, box, look)
    return target, logits.argmax(dim=0).cpu().numpy()


@torch.inference_mode()
def patch_logits(
    network: nn.Module, volume: LabelledVolume, intensity: Intensity, box: Box, look: Look
) -> tuple[NDArray[np.uint8], torch.Tensor]:
    """Compute the logits (classes, (Z), Y, X) of a patch; all else is as in `compare_patch`."""
    device = next(network.parameters()).device
    target = volume.read_target(box)[0 if look.flat else ...]
    seen = _seen(volume, intensity, box, look.patch, look.around)
    inputs = (torch.from_numpy(e[:, 0] if look.flat else e)[None].to(device) for e in seen)
    return target, crop(network(*inputs), target.shape)[0]


def _seen(
    volume: LabelledVolume,
    intensity: Intensity,
    box: Box,
    patch: tuple[int, ...],
    around: SurroundGrids | None,
) -> list[NDArray[np.float32]]:
    """Read a patch; with surroundings it is a whole one, mirrored where the image ends."""
    image = intensity.apply(volume.read_image(box))
    if around is None:
        return [image]
    missing = [(0, p - n) for p, n in zip(patch, box.shape, strict=True)]
    whole = Box(box.start, tuple(a + p for a, p in zip(box.start, patch, strict=True)))
    coarse = volume.read_around(around.around(whole.shift(volume.origin)))
    return [np.pad(image, [(0, 0), *missing], mode="symmetric"), intensity.apply(coarse)]


def spread_patches(
    volumes: Sequence[LabelledVolume], patch: tuple[int, ...]
) -> Iterator[tuple[int, Box]]:
    """Every k-th patch of all volumes, so that there are few enough."""
    grids = [BlockGrid(Box.whole(volume.shape), patch) for volume in volumes]
    step = -(-sum(map(len, grids)) // MOST_PATCHES)
    first = 0
    for number, grid in enumerate(grids):
        for place in range(first, len(grid), step):
            yield number, _patch(grid, place)
        first = (first - len(grid)) % step


def _patch(grid: BlockGrid, place: int) -> Box:
    """Box of a block by its place in the order of the grid."""
    index = np.unravel_index(place, grid.counts)
    start = tuple(int(i) * n for i, n in zip(index, grid.block_shape, strict=True))
    stop = tuple(a + n for a, n in zip(start, grid.block_shape, strict=True))
    return Box(start, stop).intersect(grid.region)


def _confusion(
    target: NDArray[np.uint8], found: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    labelled = target > 0
    pairs = (target[labelled].astype(np.int64) - 1) * classes + found[labelled]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _dice(counts: NDArray[np.int64], values: Sequence[int]) -> dict[int, float]:
    both = counts.sum(axis=0) + counts.sum(axis=1)
    return {
        value: float(2 * counts[i, i] / both[i])
        for i, value in enumerate(values)
        if value and both[i]
    }
