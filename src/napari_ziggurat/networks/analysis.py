"""Analysis: what a network keeps of an image from part to part, and what it costs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from monai.networks.nets.attentionunet import AttentionBlock
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from napari_ziggurat.networks.blocks import crop
from napari_ziggurat.networks.contracts import RecursiveNeck
from napari_ziggurat.networks.equalizer import Moments
from napari_ziggurat.networks.fusion import CatFuse, Fuse
from napari_ziggurat.networks.necks.none import NoNeck
from napari_ziggurat.networks.necks.unet import AttentionGate
from napari_ziggurat.networks.network import ComposedNetwork, SegmentationNetwork
from napari_ziggurat.networks.outputs import blank_surroundings

__all__ = [
    "Components",
    "Cost",
    "Feature",
    "FusionScale",
    "attention_maps",
    "costs",
    "evaluating",
    "feature_pyramid",
    "fusion_scales",
    "principal_components",
]

Features = list[torch.Tensor]

_PARTS = ("encoder", "context", "neck", "head", "classifiers")


@dataclass(frozen=True, eq=False)
class Feature:
    """What a part gives, on a grid that begins where the image begins.

    Attributes
    ----------
    part : str
        ``"encoder"``, ``"context"``, ``"neck"``, ``"head"``, ``"classifiers"``; ``"logits"`` where
        a network is not composed of parts; for an attention map the name of its gate.
    level : int
        Number of the output among those of the part; 0 is the finest and best.
    values : tensor
        (N, C, (Z), Y, X), up to the last voxel that covers a voxel of the image.
    stride : tuple of int
        Voxels of the image per voxel, along each axis.
    """

    part: str
    level: int
    values: torch.Tensor
    stride: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of a feature.

    Attributes
    ----------
    maps : ndarray
        (count, (Z), Y, X); the largest weight of each component is positive.
    shares : tuple of float
        Share of the variance that each explains.
    """

    maps: NDArray[np.float32]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class FusionScale:
    """Variances of the branches of a fusion.

    Attributes
    ----------
    name : str
        Name of the module.
    joins : str
        ``"concatenation"`` or ``"sum"``.
    before : tuple of float
        Variance of each branch as it arrives.
    after : tuple of float or None
        Behind its equalizer; None where there are no equalizers.
    """

    name: str
    joins: Literal["concatenation", "sum"]
    before: tuple[float, ...]
    after: tuple[float, ...] | None

    @property
    def ratio(self) -> float:
        """How many times the largest variance, as it arrives, is larger than the smallest."""
        return max(self.before) / min(self.before)


@dataclass(frozen=True)
class Cost:
    """Parameters of a part, and multiply-adds of one forward pass through it."""

    part: str
    parameters: int
    multiply_adds: int

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as JSON can hold them."""
        return asdict(self)


def feature_pyramid(network: SegmentationNetwork, x: torch.Tensor) -> list[Feature]:
    """Compute the features between the parts, in order, fine to coarse.

    Networks that are not composed of parts give their logits only. Of a recursive neck they are
    those of the last pass.

    Parameters
    ----------
    network : SegmentationNetwork
        Left as it is.
    x : (N, C, (Z), Y, X) tensor
        Normalised image, on the device of the network.
    """
    found: dict[str, list[torch.Tensor]] = {}
    parts = _parts(network)

    def keep(part: str) -> Callable[..., None]:
        def hook(_module: object, _input: object, output: Any) -> None:
            several = output if isinstance(output, list | tuple) else [output]
            found[part] = [each.detach().clone() for each in several]  # others write in place

        return hook

    hooks = [part.register_forward_hook(keep(name)) for name, part in parts.items()]
    with _run_with(network, hooks), _refined(network, keep("neck")):
        network(x)
    return [
        _placed(network, x, name, level, values)
        for name in parts
        for level, values in enumerate(found[name])
    ]


def principal_components(feature: NDArray[np.floating], count: int = 3) -> Components:
    """First principal components of a feature (C, (Z), Y, X) over its voxels.

    There are never more of them than channels.
    """
    rows = feature.reshape(feature.shape[0], -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64) / rows.shape[1])
    leading = vectors[:, ::-1][:, :count].T
    largest = np.take_along_axis(leading, np.abs(leading).argmax(axis=1)[:, None], axis=1)
    leading = leading * np.where(largest < 0, -1, 1)
    maps = leading.astype(np.float32) @ rows
    shares = np.maximum(values[::-1][:count], 0) / max(float(values.sum()), 1e-30)
    return Components(maps.reshape(-1, *feature.shape[1:]), tuple(shares.tolist()))


def attention_maps(network: SegmentationNetwork, x: torch.Tensor) -> list[Feature]:
    """Compute the coefficients (N, 1, (Z), Y, X), 0 to 1, of every attention gate, fine to coarse.

    Parameters as for `feature_pyramid`. MONAI's attention blocks count as gates.
    """
    found: dict[str, torch.Tensor] = {}

    def ours(name: str) -> Callable[..., None]:
        def hook(gate: AttentionGate, inputs: tuple[torch.Tensor, ...], _output: object) -> None:
            found[name] = gate.coefficients(*inputs).detach()

        return hook

    def monais(name: str) -> Callable[..., None]:
        def hook(_psi: object, _inputs: object, output: torch.Tensor) -> None:
            found[name] = output.detach()

        return hook

    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, AttentionGate):
            hooks.append(module.register_forward_hook(ours(name)))
        if isinstance(module, AttentionBlock):
            hooks.append(module.psi.register_forward_hook(monais(name)))
    with _run_with(network, hooks):
        network(x)
    maps = [_placed(network, x, name, 0, values) for name, values in found.items()]
    return sorted(maps, key=lambda each: each.stride)


def fusion_scales(network: SegmentationNetwork, x: torch.Tensor) -> list[FusionScale]:
    """Measure the variance of each branch of each fusion, in the order of execution.

    Parameters as for `feature_pyramid`. A fusion that is run several times counts all of them.
    """
    fusions = {n: m for n, m in network.named_modules() if isinstance(m, Fuse)}
    before: dict[str, list[Moments]] = {}
    after: dict[str, list[Moments]] = {}

    def arriving(name: str) -> Callable[..., None]:
        def hook(_fusion: object, inputs: tuple[Sequence[torch.Tensor]]) -> None:
            seen = before.setdefault(name, [Moments() for _ in inputs[0]])
            for moments, branch in zip(seen, inputs[0], strict=True):
                moments.add(branch)

        return hook

    def equalized(name: str, branch: int) -> Callable[..., None]:
        def hook(_module: object, _inputs: object, output: torch.Tensor) -> None:
            after.setdefault(name, [Moments() for _ in before[name]])[branch].add(output)

        return hook

    hooks = []
    for name, fusion in fusions.items():
        hooks.append(fusion.register_forward_pre_hook(arriving(name)))
        for branch, equalizer in enumerate(fusion.equalizers):
            hooks.append(equalizer.register_forward_hook(equalized(name, branch)))
    with _run_with(network, hooks):
        network(x)
    return [_scale(name, fusions[name], seen, after.get(name)) for name, seen in before.items()]


def costs(network: SegmentationNetwork, size: Sequence[int]) -> list[Cost]:
    """Count parameters and multiply-adds of each part for one input ((Z), Y, X); all come last.

    Where surroundings are seen they are those of a patch: in a segmentation neighbours share them.
    """
    device = next(network.parameters()).device
    x = torch.zeros(1, network.config.topology.in_channels, *size, device=device)
    counter = FlopCounterMode(display=False, depth=2)
    with evaluating(network), torch.no_grad(), counter:
        network(x, blank_surroundings(network.config, x))
    flops = counter.get_flop_counts()
    root = type(network).__name__
    rows = []
    for name, part in network.named_children():
        operations = sum(flops.get(f"{root}.{name}", {}).values())
        parameters = sum(p.numel() for p in part.parameters())
        rows.append(Cost(name, parameters, operations // 2))
    total = sum(p.numel() for p in network.parameters())
    return [*rows, Cost("all", total, counter.get_total_flops() // 2)]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Keep a network in evaluation mode, without gradients of its parameters; then as it was."""
    was_training = network.training
    learning = [p for p in network.parameters() if p.requires_grad]
    network.eval().requires_grad_(requires_grad=False)
    try:
        yield
    finally:
        network.train(was_training)
        for parameter in learning:
            parameter.requires_grad_()


def _parts(network: SegmentationNetwork) -> Mapping[str, nn.Module]:
    """Parts that do something, by name."""
    if not isinstance(network, ComposedNetwork):
        return {"logits": network}
    parts = {name: getattr(network, name) for name in _PARTS}
    idle = (nn.Identity, NoNeck)
    return {n: p for n, p in parts.items() if p is not None and not isinstance(p, idle)}


def _placed(
    network: SegmentationNetwork, x: torch.Tensor, part: str, level: int, values: torch.Tensor
) -> Feature:
    """Find the stride of a feature, and cut off what covers only the padding inside."""
    padded = [-(-n // step) * step for n, step in zip(x.shape[2:], network.stride, strict=True)]
    if not isinstance(network, ComposedNetwork) and part == "logits":
        padded = list(x.shape[2:])  # they are cropped already
    stride = tuple(n // m for n, m in zip(padded, values.shape[2:], strict=True))
    covering = [-(-n // step) for n, step in zip(x.shape[2:], stride, strict=True)]
    return Feature(part, level, crop(values, covering), stride)


def _scale(
    name: str, fusion: Fuse, before: list[Moments], after: list[Moments] | None
) -> FusionScale:
    arriving = tuple(each.std**2 for each in before)
    behind = None if after is None else tuple(each.std**2 for each in after)
    if isinstance(fusion, CatFuse):
        return FusionScale(name, "concatenation", arriving, behind)
    return FusionScale(name, "sum", arriving, behind)


@contextmanager
def _run_with(network: nn.Module, hooks: Sequence[Any]) -> Iterator[None]:
    """Run a network for what its hooks see; then they are taken away."""
    try:
        with evaluating(network), torch.no_grad():
            yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _refined(network: nn.Module, keep: Callable[..., None]) -> Iterator[None]:
    """Let the outputs of a recursive neck be seen, which are made after its forward."""
    neck = getattr(network, "neck", None)
    if not isinstance(neck, RecursiveNeck):
        yield
        return
    refine = neck.refine

    def seen(outputs: Features, again: Callable[[Features], Features]) -> Features:
        refined = refine(outputs, again)
        keep(neck, outputs, refined)
        return refined

    neck.refine = seen  # type: ignore[method-assign]
    try:
        yield
    finally:
        del neck.refine  # the method of its class is there again
