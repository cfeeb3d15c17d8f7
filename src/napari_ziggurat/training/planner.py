"""Planner: patch, pyramid, batch and window from the data and the machine, each with its reason.

The rules follow nnU-Net (Isensee 2021, doi:10.1038/s41592-020-01008-z).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Spacing
from napari_ziggurat.networks.config import Topology

__all__ = ["Design", "Machine", "Wishes", "design", "fit_windows"]

_SLICEWISE_RATIO = 6.0
_MAX_FEATURES = {2: 512, 3: 320}
_SMALLEST = 4  # voxels per axis on the coarsest level
_MAX_DEPTH = 5
_MOST_WINDOW = 2**21  # voxels: 128 along each of three axes
_BYTES_PER_VALUE = 120  # of a level's features in training: activations, gradients, work space


@dataclass(frozen=True)
class Machine:
    """What the training may use.

    Attributes
    ----------
    gpu : bool
        There is a GPU; larger patches and wider networks pay.
    memory : int
        Bytes that a training step may take.
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
    step_bytes : int
        Memory that a training step takes on the CPU, about.
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
    step_bytes: int

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


@dataclass(frozen=True)
class _Pyramid:
    """A patch and the levels below it, in the axes of the network."""

    patch: tuple[int, ...]
    features: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]
    branches: int = 1

    @property
    def total(self) -> tuple[int, ...]:
        """Total stride per axis."""
        return _total(self.strides)

    def bytes(self, batch: int) -> int:
        """Memory that a training step takes on the CPU, about."""
        voxels, values = math.prod(self.patch), 0.0
        for features, stride in zip(self.features, self.strides, strict=True):
            voxels //= math.prod(stride)
            values += voxels * features
        return round(self.branches * batch * values * _BYTES_PER_VALUE)


def design(
    shapes: Sequence[tuple[int, ...]],
    spacing: Spacing,
    machine: Machine,
    wishes: Wishes,
    given: Topology | None = None,
    branches: int = 1,
) -> Design:
    """Decide the shapes for images of these shapes and spacing.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Shape of each volume, ((Z), Y, X).
    spacing : Spacing
        What is typical of them.
    machine : Machine
        Where the training runs.
    wishes : Wishes
        What is not for the planner to decide.
    given : Topology, optional
        The levels of a network that there is already.
    branches : int
        How many views of a place the network sees, each as large as a patch.

    Raises
    ------
    InputError
        A wish cannot be met.
    """
    typical = tuple(sorted(axis)[len(axis) // 2] for axis in zip(*shapes, strict=True))
    dims, why_dims = _choose_dims(typical, spacing, given.dims if given else wishes.dims)
    missing = len(typical) - dims  # axes that the network does not see
    wanted = wishes.patch or _choose_patch(typical, spacing.ratio, dims, machine)
    _check_patch(wanted, len(typical), missing)
    ratio = spacing.ratio[missing:]
    build = partial(
        _pyramid, ratio=ratio, machine=machine, wishes=wishes, given=given, branches=branches
    )
    levels = build(wanted[missing:])
    batch = wishes.batch or _choose_batch(branches * math.prod(levels.patch), dims, machine)
    levels, batch, why_small = _shrink(levels, batch, machine, wishes, build)
    patch = (1,) * missing + levels.patch
    window, rim = _choose_window(levels.patch, levels.total, dims, machine)
    reasons = (
        why_dims,
        _patch_words(patch, batch, typical, wishes, machine),
        *why_small,
        f"{len(levels.strides)} levels down to 1/{_by(levels.total)}"
        + (
            ", as in the model that training goes on from"
            if given
            else "; an axis is halved once its spacing is within a factor of 2 of the finest"
        ),
        f"{levels.features[0]} features at the finest level",
        _window_words(window, rim),
    )
    return Design(
        dims, patch, batch, levels.features, levels.strides, levels.kernels,
        (1,) * missing + window, (0,) * missing + rim, dims == 3 and max(ratio) > 2, reasons,
        levels.bytes(batch),
    )  # fmt: skip


def fit_windows(found: Design, stride: tuple[int, ...], machine: Machine) -> Design:
    """Choose windows for the total stride of a network, which may have coarser levels of its own.

    Parameters
    ----------
    found : Design
        Its windows are for the stride of its own levels.
    stride : tuple of int
        In the axes of the network.
    machine : Machine
        Where the training runs.
    """
    if stride == _total(found.strides):
        return found
    missing = len(found.patch) - found.dims
    window, rim = _choose_window(found.patch[missing:], stride, found.dims, machine)
    return replace(
        found,
        window=(1,) * missing + window,
        rim=(0,) * missing + rim,
        reasons=(*found.reasons[:-1], _window_words(window, rim)),
    )


def _window_words(window: tuple[int, ...], rim: tuple[int, ...]) -> str:
    return f"inference windows {_by(window)} with a rim of {_by(rim)} around each cell"


def _check_patch(patch: tuple[int, ...], axes: int, unseen: int) -> None:
    if len(patch) != axes:
        raise InputError(f"A patch needs one length per spatial axis, {axes}; got {patch}.")
    if math.prod(patch[:unseen]) != 1:
        raise InputError(
            f"A 2D network sees one section at a time, so its patch is 1 section thick; got "
            f"{_by(patch)}. Say --patch {','.join(map(str, (1, *patch[unseen:])))}, or --dims 3."
        )


def _patch_words(
    patch: tuple[int, ...], batch: int, image: tuple[int, ...], wishes: Wishes, machine: Machine
) -> str:
    chosen = f"patch {_by(patch)}, batch {batch}"
    if wishes.patch is None:
        where = "a GPU" if machine.gpu else "the CPU"
        return f"{chosen}: what {where} does quickly, in the proportions of the image {_by(image)}"
    if wishes.patch == patch:
        return f"{chosen}: the patch as given"
    return f"{chosen}: the patch as given, {_by(wishes.patch)}, rounded up so that it can be halved"


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
    patch: tuple[int, ...],
    *,
    ratio: tuple[float, ...],
    machine: Machine,
    wishes: Wishes,
    given: Topology | None,
    branches: int,
) -> _Pyramid:
    """Levels for a patch, which is rounded up so that they can be made."""
    if given:
        features, strides, kernels = given.features, given.strides, given.kernels
    else:
        strides, kernels = _levels(patch, ratio, wishes.depth)
        first = wishes.features or (32 if machine.gpu else 16)
        most = _MAX_FEATURES[len(patch)]
        features = tuple(min(first * 2**i, most) for i in range(len(strides)))
    total = _total(strides)
    if wishes.patch is None:  # two voxels of the coarsest grid, also of a network that there is
        patch = tuple(max(n, 2 * m if m > 1 else 1) for n, m in zip(patch, total, strict=True))
    return _Pyramid(_round_up(patch, total), features, strides, kernels, branches)


def _levels(
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
    if depth is not None and len(strides) < depth:
        raise InputError(
            f"A patch of {_by(patch)} can be halved to {len(strides)} levels (the coarsest keeps "
            f"{_SMALLEST} voxels per axis); --depth {depth} asks for more, which takes a patch of "
            f"{_by(_smallest_patch(ratio, depth))}. Give a larger --patch, or --depth "
            f"{len(strides)}."
        )
    return tuple(strides), tuple(kernels)


def _smallest_patch(ratio: tuple[float, ...], depth: int) -> tuple[int, ...]:
    """Give the smallest patch whose axes can all be halved as often as their spacing wants."""
    endless = (_SMALLEST << depth,) * len(ratio)
    strides, _ = _levels(endless, ratio, depth)
    return tuple(_SMALLEST * n if n > 1 else 1 for n in _total(strides))


def _shrink(
    levels: _Pyramid,
    batch: int,
    machine: Machine,
    wishes: Wishes,
    build: Callable[[tuple[int, ...]], _Pyramid],
) -> tuple[_Pyramid, int, tuple[str, ...]]:
    """Take a smaller batch, then a smaller patch, where the memory of the CPU is too small."""
    if machine.gpu or levels.bytes(batch) <= machine.memory:
        return levels, batch, ()
    if wishes.batch is None:
        batch = max(1, machine.memory // levels.bytes(1))
    while levels.bytes(batch) > machine.memory and not (wishes.patch or wishes.depth):
        smaller = build(_halved(levels.patch))
        if smaller.bytes(batch) >= levels.bytes(batch):
            break
        levels = smaller
    need, there = (f"{n / 1e9:.2g} GB" for n in (levels.bytes(batch), machine.memory))
    if levels.bytes(batch) > machine.memory:
        return levels, batch, (
            f"training takes about {need} of memory, more than the {there} there is; a smaller "
            "--batch, --patch or --features takes less",
        )  # fmt: skip
    return levels, batch, (f"training takes about {need} of the {there} of memory there is",)


def _halved(patch: tuple[int, ...]) -> tuple[int, ...]:
    """Halve the longest axis, unless it is short."""
    longest = patch.index(max(patch))
    return tuple(n // 2 if i == longest and n > 16 else n for i, n in enumerate(patch))


def _total(strides: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(math.prod(axis) for axis in zip(*strides, strict=True))


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
    """Large windows with a generous rim: inference needs no gradients.

    A rim is an eighth of its window where the window may be so large: then the voxels around the
    cells cost no more than (8 / 6) ** 3 - 1 = 1.4 times the cells.
    """
    grow = {(2, False): 4, (2, True): 2, (3, False): 2, (3, True): 1}[dims, machine.gpu]
    window = _round_up(tuple(p * grow for p in patch), stride)
    rim = tuple(
        _ceil(min(32, max(m, w // 8)), m) if w > 3 * m else 0
        for w, m in zip(window, stride, strict=True)
    )
    wider = tuple(8 * r if w < 7 * r else w for w, r in zip(window, rim, strict=True))
    return (wider if math.prod(wider) <= _MOST_WINDOW else window), rim


def _round_up(shape: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    return tuple(_ceil(n, m) for n, m in zip(shape, stride, strict=True))


def _ceil(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def _nearest(value: float, multiple: int) -> int:
    return max(multiple, round(value / multiple) * multiple)


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
