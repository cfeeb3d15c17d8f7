"""Planner: patch, pyramid, batch and window from the data and the machine, each with its reason.

The rules follow nnU-Net (Isensee 2021, doi:10.1038/s41592-020-01008-z).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Spacing
from napari_ziggurat.networks.config import Topology

__all__ = ["Design", "Machine", "Wishes", "design"]

_SLICEWISE_RATIO = 6.0
_MAX_FEATURES = {2: 512, 3: 320}
_SMALLEST = 4  # voxels per axis on the coarsest level
_MAX_DEPTH = 5


@dataclass(frozen=True)
class Machine:
    """What the training may use.

    Attributes
    ----------
    gpu : bool
        There is a GPU; larger patches and wider networks pay.
    memory : int
        Bytes for activations.
    """

    gpu: bool
    memory: int


@dataclass(frozen=True)
class Wishes:
    """What a person decided; None leaves it to the planner."""

    dims: int | None = None
    patch: tuple[int, ...] | None = None
    batch: int | None = None
    depth: int | None = None
    features: int | None = None


@dataclass(frozen=True)
class Design:
    """Shapes of everything, in the axes of the image, with the reasons in words.

    Attributes
    ----------
    patch, window, rim : tuple of int
        Training patch; inference window and the context around its cell.
    batch : int
        Patches per step.
    features : tuple of int
        Channels per level.
    strides, kernels : tuple of tuple of int
        Per level, in the axes of the network.
    reasons : tuple of str
        One sentence per decision.
    """

    dims: int
    patch: tuple[int, ...]
    batch: int
    features: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]
    window: tuple[int, ...]
    rim: tuple[int, ...]
    in_plane: bool
    reasons: tuple[str, ...]

    def topology(self, in_channels: int, out_channels: int) -> Topology:
        """Give the pyramid for a network with these inputs and outputs."""
        return Topology(
            dims=2 if self.dims == 2 else 3,
            in_channels=in_channels,
            out_channels=out_channels,
            features=self.features,
            strides=self.strides,
            kernels=self.kernels,
        )


def design(
    shapes: Sequence[tuple[int, ...]], spacing: Spacing, machine: Machine, wishes: Wishes
) -> Design:
    """Decide the shapes for images of these shapes and spacing.

    Raises
    ------
    InputError
        A wish cannot be met.
    """
    typical = tuple(sorted(axis)[len(axis) // 2] for axis in zip(*shapes, strict=True))
    dims, why_dims = _choose_dims(typical, spacing, wishes.dims)
    seen = slice(len(typical) - dims, None)  # the axes the network sees
    ratio = spacing.ratio[seen]
    patch = wishes.patch or _choose_patch(typical, spacing.ratio, dims, machine)
    if len(patch) != len(typical):
        raise InputError(f"A patch needs one length per spatial axis, {len(typical)}; got {patch}.")
    strides, kernels = _pyramid(patch[seen], ratio, wishes.depth)
    total = tuple(math.prod(axis) for axis in zip(*strides, strict=True))
    patch = (*patch[: len(typical) - dims], *_round_up(patch[seen], total))
    first = wishes.features or (32 if machine.gpu else 16)
    features = tuple(min(first * 2**i, _MAX_FEATURES[dims]) for i in range(len(strides)))
    batch = wishes.batch or _choose_batch(math.prod(patch), dims, machine)
    window, rim = _choose_window(patch[seen], total, dims, machine)
    missing = len(typical) - dims
    in_plane = dims == 3 and max(ratio) > 2
    reasons = (
        why_dims,
        f"patch {_by(patch)}, batch {batch}: what {'a GPU' if machine.gpu else 'the CPU'} does "
        f"quickly, in the proportions of the image {_by(typical)}",
        f"{len(strides)} levels down to 1/{_by(total)}; an axis is halved once its spacing is "
        "within a factor of 2 of the finest",
        f"{first} features at the finest level",
        f"inference windows {_by(window)} with a rim of {_by(rim)} around each cell",
    )
    return Design(
        dims, patch, batch, features, strides, kernels,
        (1,) * missing + window, (0,) * missing + rim, in_plane, reasons,
    )  # fmt: skip


def _choose_dims(shape: tuple[int, ...], spacing: Spacing, wish: int | None) -> tuple[int, str]:
    """2D for planes; for volumes 3D, unless sections are much thicker than pixels."""
    if len(shape) == 2:
        if wish == 3:
            raise InputError("A 3D network needs volumes; the images are planes. Use --dims 2.")
        return 2, "2D network: the images are planes"
    if wish is not None:
        return wish, f"{wish}D network: as asked for"
    ratio = spacing.ratio[0]
    if ratio >= _SLICEWISE_RATIO:
        return 2, (
            f"2D network, section by section: sections are {ratio:.1f} times thicker than pixels "
            "(--dims 3 overrides)"
        )
    return 3, "3D network: the images are volumes"


def _choose_patch(
    shape: tuple[int, ...], ratio: tuple[float, ...], dims: int, machine: Machine
) -> tuple[int, ...]:
    """Give a patch that is as cubic as possible in physical size and fits the voxel budget."""
    if dims == 2:
        side = 512 if machine.gpu else 128
        return (1,) * (len(shape) - 2) + tuple(min(side, _ceil(n, 8)) for n in shape[-2:])
    budget = 128**3 if machine.gpu else 48**3
    side = round((budget * math.prod(ratio)) ** (1 / 3))
    wanted = [max(8, side / r) for r in ratio]
    patch = [min(_nearest(w, 8), _ceil(n, 4)) for w, n in zip(wanted, shape, strict=True)]
    spare = budget / math.prod(patch)
    if spare > 1.3:  # an axis was cut off by the image: give its share to the others
        grow = spare ** (1 / 2)
        patch = [min(_nearest(p * grow, 8), _ceil(n, 4)) if n > p else p
                 for p, n in zip(patch, shape, strict=True)]  # fmt: skip
    return tuple(patch)


def _pyramid(
    patch: tuple[int, ...], ratio: tuple[float, ...], depth: int | None
) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """Strides and kernels per level."""
    size, spacing = list(patch), list(ratio)
    strides, kernels = [(1,) * len(patch)], [_kernel(spacing)]
    while len(strides) < (depth or _MAX_DEPTH):
        step = tuple(
            2 if s < 2 * min(spacing) and n >= 2 * _SMALLEST else 1
            for n, s in zip(size, spacing, strict=True)
        )
        if all(s == 1 for s in step):
            break
        size = [n // s for n, s in zip(size, step, strict=True)]
        spacing = [v * s for v, s in zip(spacing, step, strict=True)]
        strides.append(step)
        kernels.append(_kernel(spacing))
    return tuple(strides), tuple(kernels)


def _kernel(spacing: list[float]) -> tuple[int, ...]:
    return tuple(3 if s < 2 * min(spacing) else 1 for s in spacing)


def _choose_batch(patch_voxels: int, dims: int, machine: Machine) -> int:
    if machine.gpu:
        bytes_per_voxel = 4_000  # activations and gradients of the default network, 16 bit
        return max(2, min(32, machine.memory // (bytes_per_voxel * patch_voxels)))
    return max(2, min(8, (8 * 128**2 if dims == 2 else 2 * 48**3) // patch_voxels))


def _choose_window(
    patch: tuple[int, ...], stride: tuple[int, ...], dims: int, machine: Machine
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Large windows with a generous rim: inference needs no gradients."""
    grow = {(2, False): 4, (2, True): 2, (3, False): 2, (3, True): 1}[dims, machine.gpu]
    window = _round_up(tuple(p * grow for p in patch), stride)
    rim = tuple(
        _ceil(min(32, max(m, w // 6)), m) if w > 3 * m else 0
        for w, m in zip(window, stride, strict=True)
    )
    return window, rim


def _round_up(shape: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    return tuple(_ceil(n, m) for n, m in zip(shape, stride, strict=True))


def _ceil(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def _nearest(value: float, multiple: int) -> int:
    return max(multiple, round(value / multiple) * multiple)


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
