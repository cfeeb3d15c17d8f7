"""Analysis: what a network sees, keeps and costs."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.flop_counter import FlopCounterMode

from napari_ziggurat.networks.equalizer import Moments, ScaleEqualizer
from napari_ziggurat.networks.necks.unet import AttentionGate
from napari_ziggurat.networks.network import ComposedNetwork, SegmentationNetwork

__all__ = [
    "BranchScale",
    "Cost",
    "ReceptiveField",
    "attention_maps",
    "branch_scales",
    "costs",
    "feature_pyramid",
    "principal_components",
    "receptive_field",
]

_DRAWS = 20
_PARTS = ("encoder", "context", "neck", "head", "classifiers")


@dataclass(frozen=True)
class ReceptiveField:
    """How far an output voxel sees.

    Attributes
    ----------
    theoretical : tuple of int
        Input voxels per axis that can change it; at most the size that was looked at.
    radius_50, radius_95 : float
        Distance in voxels within which half, and 95 %, of the gradient's magnitude lies.
    gradient : ndarray
        Mean magnitude of the gradient over the input ((Z), Y, X), largest value 1.
    """

    theoretical: tuple[int, ...]
    radius_50: float
    radius_95: float
    gradient: NDArray[np.float32]


@dataclass(frozen=True)
class BranchScale:
    """Variance of one branch of a fusion before and after its equalizer."""

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class Cost:
    """Parameters of a part, and multiply-adds of one forward pass through it."""

    part: str
    parameters: int
    multiply_adds: int

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as JSON can hold them."""
        return asdict(self)


def receptive_field(
    network: SegmentationNetwork, size: Sequence[int], seed: int = 0
) -> ReceptiveField:
    """Measure the effective receptive field beside the theoretical one.

    Luo 2016, arXiv 1701.04128: the gradient of the summed centre logit with respect to the input,
    its magnitude averaged over 20 inputs of noise.

    Parameters
    ----------
    network : SegmentationNetwork
        Left as it is.
    size : sequence of int
        Input ((Z), Y, X) to look at, larger than what is expected.
    seed : int
        Of the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (1, network.config.topology.in_channels, *size)
    with _evaluating(network):
        maps = [
            _centre_gradient(network, torch.randn(shape, generator=generator))
            for _ in range(_DRAWS)
        ]
    gradient = np.mean(maps, axis=0)
    radius_50, radius_95 = (_radius(gradient, part) for part in (0.5, 0.95))
    top = max(float(gradient.max()), 1e-30)
    scaled = (gradient / top).astype(np.float32)
    return ReceptiveField(_theoretical(network, shape), radius_50, radius_95, scaled)


def feature_pyramid(network: SegmentationNetwork, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute the features between the parts, by name: ``encoder 0``, ..., ``neck 0``, ...

    Networks that are not composed of parts give their logits only.
    """
    found: dict[str, torch.Tensor] = {}

    def keep(part: str) -> Any:
        def hook(_module: nn.Module, _input: object, output: Any) -> None:
            several = isinstance(output, list | tuple)
            for level, feature in enumerate(output if several else [output]):
                found[f"{part} {level}" if several else part] = feature.detach()

        return hook

    composed = isinstance(network, ComposedNetwork)
    parts = {name: getattr(network, name) for name in _PARTS} if composed else {"logits": network}
    hooks = {part: keep(part) for part in parts}
    with _evaluating(network), torch.no_grad(), _hooked(hooks, parts):
        network(x)
    return found


def principal_components(feature: NDArray[np.floating], count: int = 3) -> NDArray[np.float32]:
    """First principal components (count, ...) of a feature (C, ...) over its voxels."""
    channels = feature.shape[0]
    rows = feature.reshape(channels, -1) - feature.reshape(channels, -1).mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(rows @ rows.T / rows.shape[1])
    leading = vectors[:, ::-1][:, :count].T
    components: NDArray[np.float32] = (leading @ rows).reshape(-1, *feature.shape[1:])
    return components.astype(np.float32)


def attention_maps(network: SegmentationNetwork, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute the coefficients (N, 1, (Z), Y, X) of every attention gate, by its name."""
    found: dict[str, torch.Tensor] = {}
    gates = {n: m for n, m in network.named_modules() if isinstance(m, AttentionGate)}

    def keep(name: str) -> Any:
        def hook(gate: Any, inputs: tuple[torch.Tensor, torch.Tensor], _output: object) -> None:
            found[name] = gate.coefficients(*inputs).detach()

        return hook

    with _evaluating(network), torch.no_grad(), _hooked({n: keep(n) for n in gates}, gates):
        network(x)
    return found


def branch_scales(network: SegmentationNetwork, x: torch.Tensor) -> list[BranchScale]:
    """Measure the variance of each branch of each equalized fusion, before and after."""
    seen: dict[str, tuple[Moments, Moments]] = {}
    equal = {n: m for n, m in network.named_modules() if isinstance(m, ScaleEqualizer)}

    def keep(name: str) -> Any:
        def hook(_module: object, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            seen[name] = (Moments(), Moments())
            for moments, values in zip(seen[name], (inputs[0], output), strict=True):
                moments.add(values)

        return hook

    with _evaluating(network), torch.no_grad(), _hooked({n: keep(n) for n in equal}, equal):
        network(x)
    return [BranchScale(n, before.std**2, after.std**2) for n, (before, after) in seen.items()]


def costs(network: SegmentationNetwork, size: Sequence[int]) -> list[Cost]:
    """Count parameters and multiply-adds of each part for one input ((Z), Y, X)."""
    x = torch.zeros(1, network.config.topology.in_channels, *size)
    device = next(network.parameters()).device
    counter = FlopCounterMode(display=False, depth=2)
    with _evaluating(network), torch.no_grad(), counter:
        network(x.to(device))
    flops = counter.get_flop_counts()
    root = type(network).__name__
    rows = []
    for name, part in network.named_children():
        operations = sum(flops.get(f"{root}.{name}", {}).values())
        parameters = sum(p.numel() for p in part.parameters())
        rows.append(Cost(name, parameters, operations // 2))
    total = sum(p.numel() for p in network.parameters())
    return [*rows, Cost("all", total, counter.get_total_flops() // 2)]


def _centre_gradient(network: SegmentationNetwork, x: torch.Tensor) -> NDArray[np.float64]:
    """Magnitude of the gradient of the summed logits at the centre ((Z), Y, X)."""
    x = x.to(next(network.parameters()).device).requires_grad_()
    middle = tuple(n // 2 for n in x.shape[2:])
    network(x)[(..., *middle)].sum().backward()
    if x.grad is None:
        raise RuntimeError("the centre of the output does not depend on the input")
    magnitude: NDArray[np.float64] = x.grad[0].abs().sum(dim=0).double().cpu().numpy()
    return magnitude


def _radius(gradient: NDArray[np.float64], part: float) -> float:
    """Distance from the centre within which a part of the sum lies."""
    axes = (np.arange(n) - n // 2 for n in gradient.shape)
    grid = np.meshgrid(*axes, indexing="ij")
    distance = np.sqrt(np.sum(np.square(grid), axis=0)).ravel()
    order = np.argsort(distance, kind="stable")
    running = np.cumsum(gradient.ravel()[order])
    return float(distance[order][np.searchsorted(running, part * running[-1])])


def _theoretical(network: SegmentationNetwork, shape: Sequence[int]) -> tuple[int, ...]:
    """Extent of the input that reaches the centre when nothing cancels.

    All weights are made positive and norms are taken out, so that every path adds.
    """
    linear = copy.deepcopy(network).cpu().double().eval()
    for module in linear.modules():
        if isinstance(module, _NormBase | nn.GroupNorm | nn.LayerNorm):
            module.forward = _unchanged  # type: ignore[method-assign]
    for parameter in linear.parameters():
        parameter.data.fill_(1.0 / parameter[0].numel())
    gradient = _centre_gradient(linear, torch.ones(tuple(shape), dtype=torch.float64))
    reached = np.argwhere(gradient > 0)
    return tuple(int(n) for n in reached.max(axis=0) - reached.min(axis=0) + 1)


def _unchanged(x: torch.Tensor) -> torch.Tensor:
    return x


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


@contextmanager
def _hooked(hooks: dict[str, Any], modules: dict[str, Any]) -> Iterator[None]:
    there = {name: module for name, module in modules.items() if module is not None}
    handles = [module.register_forward_hook(hooks[name]) for name, module in there.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
