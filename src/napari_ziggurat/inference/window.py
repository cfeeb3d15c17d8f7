"""Window: what the network sees at once: voxels, and what is known of their surroundings."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["Surrounded", "Window", "constant_value", "image_of", "is_constant"]

_A_LOOK = 256


@dataclass(frozen=True, eq=False)
class Surrounded:
    """A window and what is known of its surroundings.

    Attributes
    ----------
    image : (C, (Z), Y, X) float32 array
        Normalised.
    hook : (F, (Z), Y, X) tensor
        What the network's surround made of them, cropped to the window; on the CPU.
    """

    image: NDArray[np.float32]
    hook: torch.Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image."""
        return self.image.shape


Window = NDArray[np.float32] | Surrounded


def is_constant(window: Window) -> bool:
    """Tell whether a window (C, (Z), Y, X) holds one value per channel."""
    return constant_value(window) is not None


def image_of(window: Window) -> NDArray[np.float32]:
    """Give the voxels of a window."""
    return window.image if isinstance(window, Surrounded) else window


def constant_value(window: Window) -> bytes | None:
    """Name a window that holds one value per channel; None for all others.

    With surroundings it is none of these: what they hold is not the same in the whole window.
    """
    if isinstance(window, Surrounded):
        return None
    channels = window.reshape(window.shape[0], -1)
    first, some = channels[:, :1], channels[:, :_A_LOOK]
    # Most windows differ within their first voxels, so that few are looked through.
    if (some == first).all() and (channels == first).all():
        return first.tobytes() + repr(window.shape).encode()
    return None
