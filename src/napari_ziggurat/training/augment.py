"""Augmentation: patches as other people, microscopes and scanners might have seen them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from monai.data.meta_obj import set_track_meta
from monai.transforms import (
    Affine,
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandRotate90d,
    RandScaleIntensityd,
    RandShiftIntensityd,
    Transform,
)
from numpy.typing import NDArray

__all__ = ["Augmentation", "Symmetry"]

_KEYS = ("image", "target", "shapes")
_CODED = ("target", "shapes")  # uint8, where 0 is ignored; shapes are there where they are learned
_COARSE = "coarse"
_PLAIN = "plain_"  # before the names of images whose grey values were not changed


@dataclass(frozen=True)
class Symmetry:
    """What may be done to a patch without making it impossible.

    Attributes
    ----------
    dims : int
        Spatial axes of the patch.
    mirror : bool
        Mirrored and turned structures look alike. Not so in anatomy, where left is not right.
    in_plane : bool
        Rotate and zoom in y and x only, because z is much coarser.
    square : bool
        Patches are as high as wide, so that a quarter turn keeps their shape.
    factor : tuple of int
        Voxels of the patch per voxel of its surroundings and axis; empty where none are seen.
    """

    dims: int
    mirror: bool
    in_plane: bool
    square: bool = True
    factor: tuple[int, ...] = ()


class Augmentation:
    """Random flips, rotations, zoom and grey-value changes; the same seed gives the same patch.

    Labels that leave the patch become ignored, never background.
    """

    def __init__(self, symmetry: Symmetry) -> None:
        set_track_meta(False)  # MONAI's metadata costs more than the transforms on small patches
        self._steps = Compose([*_spatial(symmetry), _Plain(), *_intensity()])

    def __call__(
        self, image: NDArray[np.float32], target: NDArray[np.uint8], seed: int
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Change a patch.

        Parameters
        ----------
        image : (C, (Z), Y, X) float32 array
            Normalised.
        target : ((Z), Y, X) uint8 array
            0 ignored.
        seed : int
            Decides every random choice.
        """
        done = self._changed({"image": image, "target": target[None]}, seed)
        return np.asarray(done["image"], np.float32), np.asarray(done["target"], np.uint8)[0]

    def together(
        self,
        image: NDArray[np.float32],
        target: NDArray[np.uint8],
        coarse: NDArray[np.float32],
        seed: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32]]:
        """Change a patch, and its surroundings (C, (Z), Y, X) about the same centre."""
        done = self._changed({"image": image, "target": target[None], _COARSE: coarse}, seed)
        return (
            np.asarray(done["image"], np.float32),
            np.asarray(done["target"], np.uint8)[0],
            np.asarray(done[_COARSE], np.float32),
        )

    def views(self, patch: Mapping[str, NDArray[Any]], seed: int) -> dict[str, NDArray[Any]]:
        """Change a patch, and give it also with its grey values as they were.

        Parameters
        ----------
        patch : mapping
            ``image`` and ``target``, and ``coarse`` where surroundings are seen, as in `together`;
            ``shapes`` (2, (Z), Y, X) uint8 where they are learned, 0 unknown.
        seed : int
            Decides every random choice.

        Returns
        -------
        dict
            The same keys, with ``plain_image`` and ``plain_coarse``: turned and zoomed alike.
        """
        done = self._changed({**patch, "target": patch["target"][None]}, seed)
        types = {name: np.uint8 if name in _CODED else np.float32 for name in done}
        found = {name: np.asarray(done[name], types[name]) for name in done}
        return {**found, "target": found["target"][0]}

    def _changed(self, patch: dict[str, NDArray[Any]], seed: int) -> Mapping[str, Any]:
        self._steps.set_random_state(seed=seed)
        changed: Mapping[str, Any] = self._steps(patch)
        return changed


def _spatial(symmetry: Symmetry) -> list[Transform]:
    axes = range(symmetry.dims)
    plane = (symmetry.dims - 2, symmetry.dims - 1)
    keys, some = (*_KEYS, _COARSE), {"allow_missing_keys": True}
    affine = _affine(symmetry)
    steps: list[Transform] = [affine, _AffineAround(affine, symmetry.factor)]
    if symmetry.mirror:
        steps += [RandFlipd(keys, prob=0.5, spatial_axis=axis, **some) for axis in axes]
    if symmetry.mirror and symmetry.square:
        steps.append(RandRotate90d(keys, prob=0.5, max_k=3, spatial_axes=plane, **some))
    return steps


class _AffineAround(Transform):
    """Turns and zooms surroundings as the step before did it with the patch.

    Parameters
    ----------
    affine : RandAffined
        The step before.
    factor : tuple of int
        Voxels of the patch per voxel of the surroundings; where axes differ in it, a turn of one
        is not the same matrix in voxels of the other.
    """

    def __init__(self, affine: RandAffined, factor: tuple[int, ...]) -> None:
        self._affine = affine
        self._factor = np.array([*factor, 1], float)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Change what lies under the key of the surroundings, if there are any."""
        if _COARSE not in data or not self._affine._do_transform:
            return data
        turn = np.asarray(self._affine.rand_affine.rand_affine_grid.affine)
        matrix = turn * self._factor / self._factor[:, None]
        change = Affine(affine=matrix, mode="bilinear", padding_mode="reflection", image_only=True)
        return {**data, _COARSE: change(data[_COARSE])}


class _Plain(Transform):
    """Keeps a copy of the images as they are at this step."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add the copies."""
        names = [name for name in ("image", _COARSE) if name in data]
        return {
            **data,
            **{_PLAIN + name: np.asarray(data[name]).astype(np.float32) for name in names},
        }


def _affine(symmetry: Symmetry) -> RandAffined:
    angle = math.pi if symmetry.mirror else math.radians(15)
    tilt = 0.0 if symmetry.in_plane or symmetry.dims == 2 else min(angle, math.radians(30))
    zoom = (-0.3, 0.4)
    zooms = [(0.0, 0.0) if symmetry.in_plane and axis == 0 else zoom for axis in range(3)]
    return RandAffined(
        _KEYS,
        prob=0.3,
        rotate_range=(angle,) if symmetry.dims == 2 else (angle, tilt, tilt),
        scale_range=zooms[-symmetry.dims :],
        mode=("bilinear", "nearest", "nearest"),
        padding_mode=("reflection", "zeros", "zeros"),  # 0 is ignored
        allow_missing_keys=True,
    )


def _intensity() -> list[Transform]:
    image = ("image",)
    both: dict[str, Any] = {"keys": (*image, _COARSE), "allow_missing_keys": True}
    return [
        RandScaleIntensityd(**both, factors=0.25, prob=0.5),
        RandShiftIntensityd(**both, offsets=0.25, prob=0.5),
        RandAdjustContrastd(**both, gamma=(0.7, 1.5), prob=0.2),
        # Means of many voxels keep little of their noise, and are smooth already.
        RandGaussianNoised(image, std=0.1, prob=0.2),
        RandGaussianSmoothd(image, prob=0.1),
    ]
