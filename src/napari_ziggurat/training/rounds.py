"""Rounds: two networks on the same held-out labels, voxel by voxel, class by class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ziggurat.geometry import Box
from napari_ziggurat.networks.intensity import Intensity
from napari_ziggurat.training.validation import Look, patch_logits
from napari_ziggurat.training.volumes import LabelledVolume

__all__ = ["Counts", "HeldOut", "count_found", "dice", "held_logits"]

Counts = NDArray[np.int64]
"""Voxels of each true class (row) that were found as each class, or as none (last column)."""


@dataclass(frozen=True)
class HeldOut:
    """Labels to score on.

    Attributes
    ----------
    volumes, intensities : sequence of LabelledVolume, Intensity
    places : sequence of (int, Box, Box)
        Number of a volume, the patch that is looked at, and the part of it that is scored.
    names : sequence of str
        What each place is called; places of one name are one block.
    look : Look
    """

    volumes: Sequence[LabelledVolume]
    intensities: Sequence[Intensity]
    places: Sequence[tuple[int, Box, Box]]
    names: Sequence[str]
    look: Look


def count_found(network: nn.Module, values: Sequence[int], held: HeldOut) -> dict[str, Counts]:
    """Count what a network finds, by block.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    values : sequence of int
        Class value of each of its channels, which may be others than those of the labels.
    held : HeldOut
        Where it looks.

    Returns
    -------
    dict of str to Counts
        One for each name of a place; classes are those of the labels, in order.
    """
    wanted = held.volumes[0].code.values
    column = np.array([wanted.index(v) if v in wanted else len(wanted) for v in values])
    counts: dict[str, Counts] = {}
    for name, (target, found) in zip(held.names, _looks(network, held), strict=True):
        labelled = target > 0
        cells = (target[labelled].astype(np.int64) - 1) * (len(wanted) + 1)
        here = np.bincount(
            cells + column[found[labelled]], minlength=len(wanted) * (len(wanted) + 1)
        ).reshape(len(wanted), -1)
        counts[name] = counts[name] + here if name in counts else here
    return counts


def _looks(
    network: nn.Module, held: HeldOut
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    for target, logits in held_logits(network, held):
        yield target, logits.argmax(dim=0).cpu().numpy()


def held_logits(
    network: nn.Module, held: HeldOut
) -> Iterator[tuple[NDArray[np.uint8], torch.Tensor]]:
    """Compute the logits (classes, (Z), Y, X) of each place, and its target ((Z), Y, X).

    The target is 0 where nothing is scored.
    """
    for number, patch, scored in held.places:
        volume, intensity = held.volumes[number], held.intensities[number]
        target, logits = patch_logits(network, volume, intensity, patch, held.look)
        inside = np.zeros(patch.shape, bool)
        inside[scored.relative_to(patch.start).slices] = True
        yield np.where(inside[0 if held.look.flat else ...], target, 0).astype(np.uint8), logits


def dice(counts: Counts, values: Sequence[int]) -> Mapping[int, float]:
    """Dice of each class but background; classes without a labelled voxel are left out."""
    true, found = counts.sum(axis=1), counts.sum(axis=0)
    return {
        value: float(2 * counts[i, i] / (true[i] + found[i]))
        for i, value in enumerate(values)
        if value and true[i]
    }
