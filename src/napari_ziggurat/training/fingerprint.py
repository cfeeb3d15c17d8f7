"""Fingerprint: grey-value statistics of the training images, and how to normalise them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images.statistics import sample_values
from napari_ziggurat.networks.intensity import Intensity
from napari_ziggurat.training.sampling import LabelIndex
from napari_ziggurat.training.volumes import LabelledVolume

__all__ = ["fingerprint"]

_FOREGROUND_PERCENTILES = (0.5, 99.5)
_FOREGROUND_VOXELS = 4_000


def fingerprint(
    volumes: Sequence[LabelledVolume], index: LabelIndex
) -> tuple[Intensity, list[Intensity], str]:
    """Decide the normalisation from the data.

    Returns
    -------
    shared : Intensity
        Statistics of all volumes together; its scope says whether they are the ones to use.
    each : list of Intensity
        What to normalise each volume with.
    reason : str
        The decision in words.
    """
    if _signed(volumes) and volumes[0].code.dense:
        shared = Intensity.from_values(_foreground(volumes, index), _FOREGROUND_PERCENTILES)
        return (
            shared,
            [shared] * len(volumes),
            ("intensity: signed values as in CT; clipped and scaled by the labelled foreground"),
        )
    samples = [sample_values(v.image, v.level, v.time) for v in volumes]
    shared = Intensity.from_values(np.concatenate([_thin(s) for s in samples], axis=1))
    own = [Intensity.from_values(s, scope="image") for s in samples]
    if _brightness_differs(own):
        return (
            replace(shared, scope="image"),
            own,
            ("intensity: the images differ much in brightness, so each is normalised as a whole"),
        )
    return shared, [shared] * len(volumes), "intensity: one mean and deviation for all images"


def _signed(volumes: Sequence[LabelledVolume]) -> bool:
    """Tell whether zero is a physical value in the middle of the scale, as in Hounsfield units."""
    return all(v.image.dtype.kind in "if" and v.image.affine is not None for v in volumes) and all(
        sample_values(v.image, v.level, v.time).min() < -100 for v in volumes[:3]
    )


def _brightness_differs(own: Sequence[Intensity]) -> bool:
    """Tell whether the means of the images spread as wide as the values within them."""
    means, stds = np.array([i.mean for i in own]), np.array([i.std for i in own])
    return bool((means.std(axis=0) > 0.5 * np.median(stds, axis=0)).any()) or bool(
        (stds.max(axis=0) > 3 * stds.min(axis=0)).any()
    )


def _foreground(volumes: Sequence[LabelledVolume], index: LabelIndex) -> NDArray[Any]:
    """Grey values (C, n) at labelled foreground voxels, all classes alike."""
    rng = np.random.default_rng(0)
    found = []
    for value, rows in index.positions.items():
        if volumes[0].code.values[value - 1] == 0:
            continue
        chosen = rows[rng.permutation(len(rows))[:_FOREGROUND_VOXELS]]
        found += [_values_at(volumes[n], chosen[chosen[:, 0] == n, 1:]) for n in set(chosen[:, 0])]
    return np.concatenate(found, axis=1)


def _values_at(volume: LabelledVolume, positions: NDArray[np.int64]) -> NDArray[Any]:
    """Grey values (C, n) of single voxels, read in one box around them."""
    start = positions.min(axis=0)
    box = Box(tuple(start.tolist()), tuple((positions.max(axis=0) + 1).tolist()))
    image, _ = volume.read(box)
    values: NDArray[Any] = image[(slice(None), *(positions - start).T)]
    return values


def _thin(values: NDArray[Any], most: int = 500_000) -> NDArray[Any]:
    return values[:, :: max(1, values.shape[1] // most)]
