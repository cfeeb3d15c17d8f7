"""Receptive field: how far an output voxel looks, and how far it could."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from napari_ziggurat.networks.analysis import costs, evaluating
from napari_ziggurat.networks.network import SegmentationNetwork

__all__ = [
    "DRAWS",
    "ReceptiveField",
    "TheoreticalField",
    "centre_gradients",
    "measure_field",
    "size_to_look_at",
    "theoretical_field",
]

DRAWS = 20

# Bounds that hold for any network: of values on the finest grid, for memory, and of multiply-adds,
# for time. The second is about half a minute of one core.
_MOST_VALUES = 2**22
_MOST_OPERATIONS = 3e12
_MOST_OPERATIONS_PER_AXIS = 4e10
_LONGEST = 2048  # along one axis; what sees farther sees everything


@dataclass(frozen=True)
class TheoreticalField:
    """Input voxels per axis that can change an output voxel.

    Attributes
    ----------
    voxels : tuple of int
        How many, the voxel itself included.
    more : tuple of bool
        It reaches at least so far: longer inputs were not looked at.
    """

    voxels: tuple[int, ...]
    more: tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """How far an output voxel looks.

    Attributes
    ----------
    looked_at : tuple of int
        Size of the inputs, ((Z), Y, X); what lies outside is not in the figures.
    theoretical : TheoreticalField
        How far it could look.
    radius_50, radius_95 : tuple of float
        Voxels to either side, along each axis, within which half and 95 % of the gradient lie.
    spacing : tuple of float
        Size of a voxel per axis.
    distance_50, distance_95 : float
        The same in all directions at once, in the unit of the spacing.
    gradient : ndarray
        Mean magnitude of the gradient over the input ((Z), Y, X), largest value 1.
    """

    looked_at: tuple[int, ...]
    theoretical: TheoreticalField
    radius_50: tuple[float, ...]
    radius_95: tuple[float, ...]
    spacing: tuple[float, ...]
    distance_50: float
    distance_95: float
    gradient: NDArray[np.float32]

    @property
    def larger(self) -> tuple[bool, ...]:
        """Tell for each axis whether the theoretical field is larger than what was looked at."""
        field = self.theoretical
        return tuple(
            more or could > seen
            for more, could, seen in zip(field.more, field.voxels, self.looked_at, strict=True)
        )

    def energy(self, steps: int = 200) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give distances, and the share of the gradient that lies within each."""
        distance = _distances(self.gradient.shape, self.spacing)
        edges = np.linspace(0, distance.max(), steps)
        counts, _ = np.histogram(distance, np.append(edges, np.inf), weights=self.gradient)
        # what lies between two edges is within the second
        within = np.concatenate([[float(self.gradient[distance == 0].sum())], counts.cumsum()[:-1]])
        return edges, within / counts.sum()


def theoretical_field(network: SegmentationNetwork) -> TheoreticalField:
    """Find the input voxels that can change the centre when nothing cancels.

    All weights are made positive, maxima become means, and norms with stored statistics are taken
    out, so that every path adds. Each axis has its own long and thin input, which holds much larger
    fields than a cube. Norms that look at the window, and means over it, reach everywhere.

    Parameters
    ----------
    network : SegmentationNetwork
        Left as it is.
    """
    every_path = _with_positive_weights(network)
    budget = min(_most_voxels(network), _MOST_OPERATIONS_PER_AXIS / _operations_per_voxel(network))
    found = [_reach(every_path, axis, budget) for axis in range(len(network.stride))]
    return TheoreticalField(tuple(n for n, _ in found), tuple(more for _, more in found))


def size_to_look_at(network: SegmentationNetwork, field: TheoreticalField) -> tuple[int, ...]:
    """Choose an input ((Z), Y, X) that holds the theoretical field, or as much as can be paid for.

    Memory and time are bounded whatever the network: a large one is shown less.
    """
    passes = 2 * DRAWS  # forward and backward
    allowed = min(_most_voxels(network), _MOST_OPERATIONS / passes / _operations_per_voxel(network))
    shrink = (allowed / math.prod(field.voxels)) ** (1 / len(field.voxels))
    steps = list(zip(field.voxels, network.stride, strict=True))
    if shrink >= 1:
        return tuple(-(-(n + 1) // step) * step for n, step in steps)  # the centre is at n // 2
    return tuple(max(1, int(n * shrink) // step) * step for n, step in steps)


def centre_gradients(
    network: SegmentationNetwork, size: Sequence[int], seed: int = 0
) -> Iterator[NDArray[np.float64]]:
    """Compute gradients of the summed centre logit with respect to inputs of noise, one by one.

    Luo 2016, arXiv 1701.04128.

    Parameters
    ----------
    network : SegmentationNetwork
        Left as it is, on the device that it is on.
    size : sequence of int
        Of the inputs, ((Z), Y, X).
    seed : int
        Of the noise.

    Yields
    ------
    ((Z), Y, X) array
        Magnitudes, summed over the channels; `DRAWS` of them.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (1, network.config.topology.in_channels, *size)
    device = next(network.parameters()).device
    for _ in range(DRAWS):
        with evaluating(network):
            noise = torch.randn(shape, generator=generator).to(device)
            gradient = _centre_gradient(network, noise)
        yield gradient


def measure_field(
    gradients: Iterable[NDArray[np.float64]],
    theoretical: TheoreticalField,
    spacing: Sequence[float],
) -> ReceptiveField:
    """Measure the mean of gradients that `centre_gradients` gave."""
    gradient = np.mean(list(gradients), axis=0)
    axes = range(gradient.ndim)
    marginals = [gradient.sum(axis=tuple(a for a in axes if a != axis)) for axis in axes]
    along = [[_radius(m, (1.0,), share) for m in marginals] for share in (0.5, 0.95)]
    around = [_radius(gradient, spacing, share) for share in (0.5, 0.95)]
    scaled = (gradient / max(float(gradient.max()), 1e-30)).astype(np.float32)
    return ReceptiveField(
        looked_at=gradient.shape,
        theoretical=theoretical,
        radius_50=tuple(along[0]),
        radius_95=tuple(along[1]),
        spacing=tuple(spacing),
        distance_50=around[0],
        distance_95=around[1],
        gradient=scaled,
    )


def _reach(every_path: SegmentationNetwork, axis: int, most_voxels: float) -> tuple[int, bool]:
    """Length of the field along an axis, and whether it is longer than what can be looked at."""
    thin, long = every_path.stride, 2 * every_path.stride[axis]
    others = tuple(a for a in range(len(thin)) if a != axis)
    while True:
        size = tuple(long if a == axis else n for a, n in enumerate(thin))
        ones = torch.ones(1, every_path.config.topology.in_channels, *size, dtype=torch.float64)
        with _EveryPath():
            gradient = _centre_gradient(every_path, ones)
        reached = np.flatnonzero(gradient.any(axis=others))
        touches = bool(reached[0] == 0 or reached[-1] == long - 1)
        if not touches or 2 * long > _LONGEST or 2 * math.prod(size) > most_voxels:
            return int(reached[-1] - reached[0] + 1), touches
        long *= 2


def _centre_gradient(network: SegmentationNetwork, x: torch.Tensor) -> NDArray[np.float64]:
    """Magnitude of the gradient of the summed logits at the centre ((Z), Y, X)."""
    x.requires_grad_()
    middle = tuple(n // 2 for n in x.shape[2:])
    logits = network(x)[(..., *middle)].sum()
    (gradient,) = torch.autograd.grad(logits, x)
    magnitude: NDArray[np.float64] = gradient[0].abs().sum(dim=0).double().cpu().numpy()
    return magnitude


def _radius(gradient: NDArray[np.float64], spacing: Sequence[float], share: float) -> float:
    """Distance from the centre within which a share of the sum lies."""
    distance = _distances(gradient.shape, spacing).ravel()
    order = np.argsort(distance, kind="stable")
    running = np.cumsum(gradient.ravel()[order])
    return float(distance[order][np.searchsorted(running, share * running[-1])])


def _distances(shape: Sequence[int], spacing: Sequence[float]) -> NDArray[np.float64]:
    """Distance of each voxel from the one at the centre."""
    axes = ((np.arange(n) - n // 2) * s for n, s in zip(shape, spacing, strict=True))
    grid = np.meshgrid(*axes, indexing="ij")
    distance: NDArray[np.float64] = np.sqrt(np.sum(np.square(grid), axis=0))
    return distance


def _most_voxels(network: SegmentationNetwork) -> float:
    return min(2**20, _MOST_VALUES / network.config.topology.features[0])


def _operations_per_voxel(network: SegmentationNetwork) -> float:
    """Multiply-adds of one forward pass per voxel of the input."""
    return max(1.0, costs(network, network.stride)[-1].multiply_adds / math.prod(network.stride))


def _with_positive_weights(network: SegmentationNetwork) -> SegmentationNetwork:
    """Copy a network; each weight counts the same, and sums of many do not grow."""
    copied = copy.deepcopy(network).cpu().double().eval().requires_grad_(requires_grad=False)
    for parameter in copied.parameters():
        parameter.data.fill_(1.0 / math.prod(parameter.shape[1:]))
    return copied


class _EveryPath(TorchFunctionMode):
    """While it is entered, operators that hide a path are replaced by some that show it."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _STAND_INS.get(func, func)(*args, **(kwargs or {}))


def _same(x: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    return x


def _window(x: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    return x + x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)


def _mean_pool_2d(x: torch.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
                  *_: object, **__: object) -> torch.Tensor:  # fmt: skip
    return functional.avg_pool2d(x, kernel_size, stride, padding)


def _mean_pool_3d(x: torch.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
                  *_: object, **__: object) -> torch.Tensor:  # fmt: skip
    return functional.avg_pool3d(x, kernel_size, stride, padding)


_STAND_INS: dict[Callable[..., Any], Callable[..., Any]] = {
    functional.batch_norm: _same,
    functional.layer_norm: _same,  # over the channels of a voxel
    functional.instance_norm: _window,
    functional.group_norm: _window,
    functional.max_pool2d: _mean_pool_2d,  # of equal values a maximum takes the first alone
    functional.max_pool3d: _mean_pool_3d,
}
