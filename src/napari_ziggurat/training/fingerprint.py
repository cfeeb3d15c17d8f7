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

__all__ = ["each_with", "fingerprint"]

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
    samples = [_sample(v) for v in volumes]
    shared = Intensity.from_values(np.concatenate([_thin(s) for s in samples], axis=1))
    own = [Intensity.from_values(s, scope="image") for s in samples]
    if _brightness_differs(own):
        return (
            replace(shared, scope="image"),
            own,
            ("intensity: the images differ much in brightness, so each is normalised as a whole"),
        )
    return shared, [shared] * len(volumes), "intensity: one mean and deviation for all images"


def each_with(shared: Intensity, volumes: Sequence[LabelledVolume]) -> list[Intensity]:
    """Give what each volume is normalised with when a model has these statistics.

    They are shared by all volumes, or each volume has its own, as their scope says.
    """
    if shared.scope == "dataset":
        return [shared] * len(volumes)
    return [Intensity.from_values(_sample(v), scope="image") for v in volumes]


def _sample(volume: LabelledVolume) -> NDArray[Any]:
    return sample_values(volume.image, volume.level, volume.time)


def _signed(volumes: Sequence[LabelledVolume]) -> bool:
    """Tell whether zero is a physical value in the middle of the scale, as in Hounsfield units."""
    return all(v.image.dtype.kind in "if" and v.image.affine is not None for v in volumes) and all(
        _sample(v).min() < -100 for v in volumes[:3]
    )


def _brightness_differs(own: Sequence[Intensity]) -> bool:
    """Tell whether means spread half as wide as the values within an image, or contrast doubles."""
    means, stds = np.array([i.mean for i in own]), np.array([i.std for i in own])
    return bool((means.std(axis=0) > 0.5 * np.median(stds, axis=0)).any()) or bool(
        (stds.max(axis=0) > 2 * stds.min(axis=0)).any()
    )


def _foreground(volumes: Sequence[LabelledVolume], index: LabelIndex) -> NDArray[Any]:
    """Grey values (C, n) at labelled foreground voxels, all classes alike."""
    rng = np.random.default_rng(0)
    foreground = [v for v in index.positions if volumes[0].code.values[v - 1] != 0]
    rows = np.concatenate([_choose(index.positions[value], rng) for value in foreground])
    dtype = np.result_type(*(volume.image.dtype for volume in volumes))
    values = np.empty((len(volumes[0].image.channels), len(rows)), dtype)
    for number, volume in enumerate(volumes):
        mine = rows[:, 0] == number
        values[:, mine] = _values_at(volume, rows[mine, 1:])
    return values


def _choose(rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw positions of a class; give them volume by volume."""
    chosen = rows[rng.permutation(len(rows))[:_FOREGROUND_VOXELS]]
    return chosen[np.argsort(chosen[:, 0], kind="stable")]


def _values_at(volume: LabelledVolume, positions: NDArray[np.int64]) -> NDArray[Any]:
    """Grey values (C, n) of single voxels; what is not in memory is read box by box."""
    boxes = volume.image.boxes(volume.level) if volume.held is None else [Box.whole(volume.shape)]
    values = np.empty((len(volume.image.channels), len(positions)), volume.image.dtype)
    for box in boxes:
        inside = ((positions >= box.start) & (positions < box.stop)).all(axis=1)
        if inside.any():
            image = volume.read_image(box)
            values[:, inside] = image[(slice(None), *(positions[inside] - box.start).T)]
    return values


def _thin(values: NDArray[Any], most: int = 500_000) -> NDArray[Any]:
    return values[:, :: max(1, values.shape[1] // most)]
