"""Planner: patch, pyramid, batch and window from the data and the machine, each with its reason.

The rules follow nnU-Net (Isensee 2021, doi:10.1038/s41592-020-01008-z).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from napari_ziggurat.geometry import Spacing
from napari_ziggurat.networks.config import Topology
from napari_ziggurat.training.planner.design import Design, Machine, Wishes
from napari_ziggurat.training.planner.numbers import by, total_stride
from napari_ziggurat.training.planner.pyramid import build_pyramid, shrink
from napari_ziggurat.training.planner.sizes import (
    check_patch,
    choose_batch,
    choose_dims,
    choose_patch,
    choose_window,
    patch_words,
    window_words,
)

__all__ = ["Design", "Machine", "Wishes", "design", "fit_windows"]


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
    dims, why_dims = choose_dims(typical, spacing, given.dims if given else wishes.dims)
    missing = len(typical) - dims  # axes that the network does not see
    wanted = wishes.patch or choose_patch(typical, spacing.ratio, dims, machine)
    check_patch(wanted, len(typical), missing)
    ratio = spacing.ratio[missing:]
    build = partial(
        build_pyramid, ratio=ratio, machine=machine, wishes=wishes, given=given, branches=branches
    )
    levels = build(wanted[missing:])
    batch = wishes.batch or choose_batch(branches * math.prod(levels.patch), dims, machine)
    levels, batch, why_small = shrink(levels, batch, machine, wishes, build)
    patch = (1,) * missing + levels.patch
    window, rim = choose_window(levels.patch, levels.total, dims, machine)
    reasons = (
        why_dims,
        patch_words(patch, batch, typical, wishes, machine),
        *why_small,
        f"{len(levels.strides)} levels down to 1/{by(levels.total)}"
        + (
            ", as in the model that training goes on from"
            if given
            else "; an axis is halved once its spacing is within a factor of 2 of the finest"
        ),
        f"{levels.features[0]} features at the finest level",
        window_words(window, rim),
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
    if stride == total_stride(found.strides):
        return found
    missing = len(found.patch) - found.dims
    window, rim = choose_window(found.patch[missing:], stride, found.dims, machine)
    return replace(
        found,
        window=(1,) * missing + window,
        rim=(0,) * missing + rim,
        reasons=(*found.reasons[:-1], window_words(window, rim)),
    )
