"""Sizes: axes that a network sees, patch, batch and window, and their reasons in words."""

import math

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Spacing
from napari_ziggurat.training.planner.design import Machine, Wishes
from napari_ziggurat.training.planner.numbers import by, ceil_to, nearest, round_up

__all__ = [
    "check_patch",
    "choose_batch",
    "choose_dims",
    "choose_patch",
    "choose_window",
    "patch_words",
    "window_words",
]

_SLICEWISE_RATIO = 6.0
_MOST_WINDOW = 2**21  # voxels: 128 along each of three axes


def choose_dims(shape: tuple[int, ...], spacing: Spacing, wish: int | None) -> tuple[int, str]:
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


def check_patch(patch: tuple[int, ...], axes: int, unseen: int) -> None:
    """Refuse a patch that does not fit a network that leaves out the first axes."""
    if len(patch) != axes:
        raise InputError(f"A patch needs one length per spatial axis, {axes}; got {patch}.")
    if math.prod(patch[:unseen]) != 1:
        raise InputError(
            f"A 2D network sees one section at a time, so its patch is 1 section thick; got "
            f"{by(patch)}. Say --patch {','.join(map(str, (1, *patch[unseen:])))}, or --dims 3."
        )


def choose_patch(
    shape: tuple[int, ...], ratio: tuple[float, ...], dims: int, machine: Machine
) -> tuple[int, ...]:
    """Give a patch that is as cubic as possible in physical size and fits the voxel budget."""
    if dims == 2:
        side = 512 if machine.gpu else 128
        return (1,) * (len(shape) - 2) + tuple(min(side, ceil_to(n, 8)) for n in shape[-2:])
    budget = 128**3 if machine.gpu else 48**3
    side = round((budget * math.prod(ratio)) ** (1 / 3))
    wanted = [max(8, side / r) for r in ratio]
    patch = [min(nearest(w, 8), ceil_to(n, 4)) for w, n in zip(wanted, shape, strict=True)]
    spare = budget / math.prod(patch)
    if spare > 1.3:  # an axis was cut off by the image: give its share to the others
        grow = spare ** (1 / 2)
        patch = [min(nearest(p * grow, 8), ceil_to(n, 4)) if n > p else p
                 for p, n in zip(patch, shape, strict=True)]  # fmt: skip
    return tuple(patch)


def patch_words(
    patch: tuple[int, ...], batch: int, image: tuple[int, ...], wishes: Wishes, machine: Machine
) -> str:
    """Say where patch and batch come from."""
    chosen = f"patch {by(patch)}, batch {batch}"
    if wishes.patch is None:
        where = "a GPU" if machine.gpu else "the CPU"
        return f"{chosen}: what {where} does quickly, in the proportions of the image {by(image)}"
    if wishes.patch == patch:
        return f"{chosen}: the patch as given"
    return f"{chosen}: the patch as given, {by(wishes.patch)}, rounded up so that it can be halved"


def choose_batch(patch_voxels: int, dims: int, machine: Machine) -> int:
    """Give the patches of a step: what the memory of a GPU holds, or what a CPU does quickly."""
    if machine.gpu:
        bytes_per_voxel = 4_000  # activations and gradients of the default network, 16 bit
        return max(2, min(32, machine.memory // (bytes_per_voxel * patch_voxels)))
    return max(2, min(8, (8 * 128**2 if dims == 2 else 2 * 48**3) // patch_voxels))


def choose_window(
    patch: tuple[int, ...], stride: tuple[int, ...], dims: int, machine: Machine
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Large windows with a generous rim: inference needs no gradients.

    A rim is an eighth of its window where the window may be so large: then the voxels around the
    cells cost no more than (8 / 6) ** 3 - 1 = 1.4 times the cells.
    """
    grow = {(2, False): 4, (2, True): 2, (3, False): 2, (3, True): 1}[dims, machine.gpu]
    window = round_up(tuple(p * grow for p in patch), stride)
    rim = tuple(
        ceil_to(min(32, max(m, w // 8)), m) if w > 3 * m else 0
        for w, m in zip(window, stride, strict=True)
    )
    wider = tuple(8 * r if w < 7 * r else w for w, r in zip(window, rim, strict=True))
    return (wider if math.prod(wider) <= _MOST_WINDOW else window), rim


def window_words(window: tuple[int, ...], rim: tuple[int, ...]) -> str:
    """Say which windows there are."""
    return f"inference windows {by(window)} with a rim of {by(rim)} around each cell"
