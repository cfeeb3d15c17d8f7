"""Calibration: measuring the scale equalizers of a network, and folding them into its weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from monai.networks.blocks import Convolution
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from napari_ziggurat.networks.equalizer import ScaleEqualizer
from napari_ziggurat.networks.fusion import CatFuse, Fuse
from napari_ziggurat.networks.inputs import Inputs, as_arguments

__all__ = ["calibrate", "fold_equalizers", "initialise_weights", "uncalibrated"]


@torch.no_grad()
def calibrate(network: nn.Module, batches: Sequence[Inputs]) -> list[Fuse]:
    """Measure every equalizer, fusion by fusion in the order of execution.

    An equalizer changes what those after it see: measuring all at once would leave variances of
    up to 1.135, one after the other 1.0000. Norms use the statistics of the batches, as they do in
    training, and keep their own untouched.

    Parameters
    ----------
    network : Module
        Left in the mode (training or not) that it was in.
    batches : sequence of Inputs
        4 to 8 batches of training patches, with their surroundings where the network sees them.

    Returns
    -------
    list of Fuse
        What was calibrated, in order of execution; empty where nothing is equalized.
    """
    fusions = _in_order(network, batches[0])
    with _like_training(network):
        for fusion in fusions:
            _measure(network, fusion, batches)
    return fusions


def uncalibrated(network: nn.Module) -> list[str]:
    """Name the equalizers that were never measured."""
    named = network.named_modules()
    return [n for n, m in named if isinstance(m, ScaleEqualizer) and not m.calibrated]


def initialise_weights(network: nn.Module) -> None:
    """Move the equalizers into the first weights after them, once, before training.

    The auxiliary initialisation: ``(w_i / std_i, b - sum_i <w_i, 1> mean_i / std_i)``. Outputs
    keep their scale, but the gradients of the branches stay unequal.
    """
    for fusion in _concatenations(network):
        _fold(fusion)


def fold_equalizers(network: nn.Module) -> list[str]:
    """Fold equalizers into the 1x1 convolutions after them, where that is exact; in place.

    With a larger kernel the padding of zeros would no longer be zero, so those stay.

    Returns
    -------
    list of str
        Names of the fusions that were folded.
    """
    folded = []
    for name, fusion in network.named_modules():
        if isinstance(fusion, CatFuse) and len(fusion.equalizers) and _is_pointwise(fusion):
            _fold(fusion)
            fusion.equalizers = nn.ModuleList()
            folded.append(name)
    return folded


def _measure(network: nn.Module, fusion: Fuse, batches: Sequence[Inputs]) -> None:
    equalizers = _equalizers(fusion)
    for each in equalizers:
        each.observe()
    for batch in batches:
        network(*as_arguments(batch))
    for each in equalizers:
        each.freeze()


def _in_order(network: nn.Module, batch: Inputs) -> list[Fuse]:
    """Fusions that are equalized, as they are met first."""
    met: dict[Fuse, None] = {}
    fusions = [m for m in network.modules() if isinstance(m, Fuse) and len(m.equalizers)]
    hooks = [
        each.register_forward_hook(lambda module, *_: met.setdefault(module)) for each in fusions
    ]
    with _like_training(network):
        network(*as_arguments(batch))
    for hook in hooks:
        hook.remove()
    return list(met)


@contextmanager
def _like_training(network: nn.Module) -> Iterator[None]:
    """Norms use the batch but remember nothing of it."""
    was_training = network.training
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    network.train()
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        network.train(was_training)


def _equalizers(fusion: Fuse) -> list[ScaleEqualizer]:
    return [each for each in fusion.equalizers if isinstance(each, ScaleEqualizer)]


def _concatenations(network: nn.Module) -> list[CatFuse]:
    return [m for m in network.modules() if isinstance(m, CatFuse) and len(m.equalizers)]


def _first_convolution(fusion: CatFuse) -> Any:
    """Give the convolution that sees the concatenated features."""
    for module in fusion.block.modules():
        if isinstance(module, Convolution):
            return module.conv
    raise TypeError(f"{type(fusion.block).__name__} does not begin with a convolution")


def _is_pointwise(fusion: CatFuse) -> bool:
    conv = _first_convolution(fusion)
    return all(k == 1 for k in conv.kernel_size) and conv.groups == 1


@torch.no_grad()
def _fold(fusion: CatFuse) -> None:
    conv, start = _first_convolution(fusion), 0
    for each in _equalizers(fusion):
        mine = slice(start, start + int(each.channels))
        depthwise = conv.groups > 1
        part = conv.weight[mine] if depthwise else conv.weight[:, mine]
        part /= each.std
        if conv.bias is not None:
            conv.bias[mine if depthwise else slice(None)] -= part.flatten(1).sum(1) * each.mean
        start = mine.stop
        each.mean.zero_()
        each.std.fill_(1.0)
