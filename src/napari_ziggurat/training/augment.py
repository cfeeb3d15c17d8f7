"""Augmentation: patches as other people, microscopes and scanners might have seen them."""

import math
from dataclasses import dataclass

import numpy as np
from monai.data.meta_obj import set_track_meta
from monai.transforms import (
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

_KEYS = ("image", "target")


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
    """

    dims: int
    mirror: bool
    in_plane: bool
    square: bool = True


class Augmentation:
    """Random flips, rotations, zoom and grey-value changes; the same seed gives the same patch.

    Labels that leave the patch become ignored, never background.
    """

    def __init__(self, symmetry: Symmetry) -> None:
        set_track_meta(False)  # MONAI's metadata costs more than the transforms on small patches
        self._steps = Compose([*_spatial(symmetry), *_intensity()])

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
        self._steps.set_random_state(seed=seed)
        done = self._steps({"image": image, "target": target[None]})
        return np.asarray(done["image"], np.float32), np.asarray(done["target"], np.uint8)[0]


def _spatial(symmetry: Symmetry) -> list[Transform]:
    axes = range(symmetry.dims)
    plane = (symmetry.dims - 2, symmetry.dims - 1)
    steps: list[Transform] = [_affine(symmetry)]
    if symmetry.mirror:
        steps += [RandFlipd(_KEYS, prob=0.5, spatial_axis=axis) for axis in axes]
    if symmetry.mirror and symmetry.square:
        steps.append(RandRotate90d(_KEYS, prob=0.5, max_k=3, spatial_axes=plane))
    return steps


def _affine(symmetry: Symmetry) -> Transform:
    angle = math.pi if symmetry.mirror else math.radians(15)
    tilt = 0.0 if symmetry.in_plane or symmetry.dims == 2 else min(angle, math.radians(30))
    zoom = (-0.3, 0.4)
    zooms = [(0.0, 0.0) if symmetry.in_plane and axis == 0 else zoom for axis in range(3)]
    return RandAffined(
        _KEYS,
        prob=0.3,
        rotate_range=(angle,) if symmetry.dims == 2 else (angle, tilt, tilt),
        scale_range=zooms[-symmetry.dims :],
        mode=("bilinear", "nearest"),
        padding_mode=("reflection", "zeros"),  # 0 is ignored
    )


def _intensity() -> list[Transform]:
    image = ("image",)
    return [
        RandScaleIntensityd(image, factors=0.25, prob=0.5),
        RandShiftIntensityd(image, offsets=0.25, prob=0.5),
        RandAdjustContrastd(image, gamma=(0.7, 1.5), prob=0.2),
        RandGaussianNoised(image, std=0.1, prob=0.2),
        RandGaussianSmoothd(image, prob=0.1),
    ]
