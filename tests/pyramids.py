"""Tiny pyramids for tests: a plane, an anisotropic volume, and five isotropic levels."""

import torch

from napari_ziggurat.networks import Topology
from napari_ziggurat.networks.network import SegmentationNetwork

PLANE = Topology(
    dims=2, in_channels=1, out_channels=3, features=(4, 6, 8),
    strides=((1, 1), (2, 2), (2, 2)), kernels=((3, 3),) * 3,
)  # fmt: skip
ANISOTROPIC = Topology(
    dims=3, in_channels=2, out_channels=2, features=(4, 6, 8),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)), kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
)  # fmt: skip
FIVE_LEVELS = {
    like.dims: Topology(
        dims=like.dims, in_channels=like.in_channels, out_channels=like.out_channels,
        features=(4, 4, 6, 6, 8), kernels=((3,) * like.dims,) * 5,
        strides=((1,) * like.dims, *((2,) * like.dims,) * 4),
    )
    for like in (PLANE, ANISOTROPIC)
}  # fmt: skip


def pyramid(dims: int, levels: int = 3, width: int = 4) -> Topology:
    """Give a small pyramid of equal steps."""
    return Topology(
        dims=dims, in_channels=1, out_channels=2, features=tuple(range(width, width + levels)),
        strides=((1,) * dims, *((2,) * dims,) * (levels - 1)), kernels=((3,) * dims,) * levels,
    )  # fmt: skip


def encoded(topology: Topology, size: int) -> list[torch.Tensor]:
    """Give random features of a pyramid."""
    return [
        torch.randn(2, c, *(size // 2**level,) * topology.dims)
        for level, c in enumerate(topology.features)
    ]


def seen(network: SegmentationNetwork, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Give what a network is called with: an image, with noise around it where it sees that."""
    grids = network.config.surroundings
    if grids is None:
        return (x,)
    return x, torch.randn(*x.shape[:2], *grids.patch(x.shape[2:]), dtype=x.dtype)
