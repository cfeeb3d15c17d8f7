"""Views: the changes of a window, each of which can be taken back, that a mean is taken over."""

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

__all__ = ["Kind", "View", "make_views"]

Kind = Literal["flips", "scales"]

_ZOOMS = (1.0, 0.8, 1.25)


@dataclass(frozen=True)
class View:
    """A change of a window.

    Attributes
    ----------
    flips : tuple of int
        Spatial axes of the network that are mirrored, 0 the first.
    zoom : tuple of float
        Per spatial axis; 1 leaves it as it is.
    """

    flips: tuple[int, ...]
    zoom: tuple[float, ...]


def make_views(kinds: Collection[Kind], dims: int, *, in_plane: bool = False) -> tuple[View, ...]:
    """List what a window is changed to, the window itself first.

    Every subset of the axes is mirrored, and each of these at sizes 1, 0.8 and 1.25.

    Parameters
    ----------
    kinds : collection of str
        ``"flips"``, ``"scales"`` or both.
    dims : int
        Spatial axes of the network.
    in_plane : bool
        Leave the size along z: it is so much coarser that training left it, too.
    """
    axes = range(dims)
    subsets = [s for n in range(dims + 1) for s in itertools.combinations(axes, n)]
    flips = subsets if "flips" in kinds else [()]
    zooms = _ZOOMS if "scales" in kinds else (1.0,)
    return tuple(View(f, _zoom(z, dims, in_plane)) for z in zooms for f in flips)


def _zoom(zoom: float, dims: int, in_plane: bool) -> tuple[float, ...]:
    return tuple(1.0 if in_plane and axis < dims - 2 else zoom for axis in range(dims))
