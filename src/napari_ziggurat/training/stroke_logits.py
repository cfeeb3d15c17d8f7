"""Stroke logits: what a network says of labelled voxels."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ziggurat.training.apart import LEAST
from napari_ziggurat.training.loop import Trainee, make_batch
from napari_ziggurat.training.rounds import HeldOut, held_logits

__all__ = ["StrokeLogits"]

_PATCHES = 32  # batches of patches around labels
_VOXELS = 4096  # of each class in each patch or batch; neighbours say the same

_Rows = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class StrokeLogits:
    """Logits at labelled voxels.

    Attributes
    ----------
    logits : (n, classes) float32 array
    channels : (n,) int64 array
        Channel of the class that each voxel is labelled as.
    blocks : (n,) int64 array
        Number of the block that each voxel lies in; blocks are apart from each other.
    trained_on : bool
        The labels are some that the network learned from.
    """

    logits: NDArray[np.float32]
    channels: NDArray[np.int64]
    blocks: NDArray[np.int64]
    trained_on: bool = False

    @classmethod
    def held_out(cls, network: nn.Module, held: HeldOut) -> Self:
        """Look at labels that are kept out of training; the network is in evaluation mode."""
        classes = len(held.volumes[0].code.values)
        names = list(dict.fromkeys(held.names))
        looks = held_logits(network, held)
        parts = [_rows(target, logits[:classes]) for target, logits in looks]
        return cls._joined(parts, [names.index(name) for name in held.names], classes)

    @classmethod
    @torch.inference_mode()
    def of_training(cls, trainee: Trainee) -> Self:
        """Look at labels that were trained on, in patches as inference meets them."""
        batches = (make_batch(trainee.sampler, None, trainee.recipe, n) for n in range(_PATCHES))
        network, classes, parts = trainee.network, len(trainee.sampler.shares), []
        for batch in batches:
            logits: torch.Tensor = network(*batch.inputs(trainee.device))
            parts.append(_rows(batch.target.numpy(), logits.movedim(1, 0)[:classes]))
        found = cls._joined(parts, list(range(_PATCHES)), classes)
        return replace(found, trained_on=True)

    @classmethod
    def _joined(cls, parts: Iterable[_Rows], blocks: list[int], classes: int) -> Self:
        both = list(zip(parts, blocks, strict=True))
        empty = (np.empty((0, classes), np.float32), np.empty(0, np.int64))
        return cls(
            np.concatenate([empty[0], *(logits for (logits, _), _ in both)]),
            np.concatenate([empty[1], *(channels for (_, channels), _ in both)]),
            np.concatenate([empty[1], *(np.full(len(c), b) for (_, c), b in both)]),
        )

    @property
    def voxels(self) -> NDArray[np.int64]:
        """Labelled voxels of each channel."""
        return np.bincount(self.channels, minlength=self.logits.shape[1])

    @property
    def enough(self) -> bool:
        """Whether there are so many of each class that occurs, and of two at least."""
        there = self.voxels[self.voxels > 0]
        return len(there) > 1 and bool((there >= LEAST).all())

    def recall(self, shift: NDArray[np.floating]) -> NDArray[np.float64]:
        """Part of the voxels of each channel that is found with shifted logits; NaN of none."""
        right = (self.logits + shift).argmax(axis=1) == self.channels
        found = np.bincount(self.channels, right, minlength=len(shift))
        none = np.full(len(shift), np.nan)
        recall: NDArray[np.float64] = np.divide(found, self.voxels, out=none, where=self.voxels > 0)
        return recall


def _rows(target: NDArray[np.uint8], logits: torch.Tensor) -> _Rows:
    """Give logits (n, classes) and channels of the labelled voxels, of each class a few."""
    flat = target.ravel()
    kept = [np.flatnonzero(flat == value) for value in np.unique(flat[flat > 0])]
    thin = [rows[:: -(-len(rows) // _VOXELS)] for rows in kept]
    rows = np.concatenate([np.empty(0, np.int64), *thin])
    chosen: NDArray[np.float32] = (
        logits.flatten(1)[:, torch.from_numpy(rows).to(logits.device)].float().cpu().numpy().T
    )
    return chosen, flat[rows].astype(np.int64) - 1
