"""Norms: exact running statistics before saving, folding into convolutions before predicting."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import torch
from monai.networks.blocks import Convolution
from monai.networks.blocks.dynunet_block import UnetBasicBlock, UnetResBlock
from monai.networks.nets.efficientnet import MBConvBlock
from monai.networks.nets.resnet import ResNetBlock, ResNetBottleneck
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_ziggurat.networks.inputs import Inputs, as_arguments

__all__ = ["fold_batch_norm", "kept_norms", "reestimate_statistics"]

# Where MONAI's blocks keep a convolution and the norm that follows it.
_PAIRS: Mapping[type[nn.Module], Sequence[tuple[str, str]]] = {
    ResNetBlock: [("conv1", "bn1"), ("conv2", "bn2")],
    ResNetBottleneck: [("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")],
    MBConvBlock: [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")],
    UnetBasicBlock: [("conv1.conv", "norm1"), ("conv2.conv", "norm2")],
    UnetResBlock: [("conv1.conv", "norm1"), ("conv2.conv", "norm2"), ("conv3.conv", "norm3")],
}

_KEPT: Mapping[type[nn.Module], str] = {
    _BatchNorm: "batch norm is kept where it does not come right after a convolution",
    _InstanceNorm: "instance norm is kept: its statistics are those of each image, not constants",
    nn.GroupNorm: "group norm is kept: its statistics are those of each image, not constants",
    nn.LayerNorm: "layer norm is kept: its statistics are those of each voxel, not constants",
}


@torch.no_grad()
def reestimate_statistics(network: nn.Module, batches: Iterable[Inputs]) -> None:
    """Replace the running statistics of batch norm by those of the given data.

    The moving average kept while training lags behind the parameters; here every batch counts the
    same (arXiv 2105.07576, section 3). Networks without batch norm are left alone.

    Parameters
    ----------
    network : Module
        Left in the mode (training or not) that it was in.
    batches : iterable of Inputs
        Training patches (N, C, (Z), Y, X), with their surroundings where the network sees them.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        return
    momenta = [m.momentum for m in norms]
    was_training = network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    network.train()
    for batch in batches:
        network(*as_arguments(batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(was_training)


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution before it, in place; for evaluation only.

    Outputs change by float32 rounding (< 1e-4). Other norms stay, and `kept_norms` says why.
    Returns the network.
    """
    for module in list(network.modules()):
        for conv_path, norm_path in _pairs(module):
            conv, norm = _find(module, conv_path), _find(module, norm_path)
            if isinstance(conv, _ConvNd) and isinstance(norm, _BatchNorm):
                transposed = isinstance(conv, _ConvTransposeNd)
                folded = fuse_conv_bn_eval(conv.eval(), norm.eval(), transpose=transposed)
                module.set_submodule(conv_path, folded)
                module.set_submodule(norm_path, nn.Identity())
    return network


def kept_norms(network: nn.Module) -> list[str]:
    """Say of each kind of norm that `fold_batch_norm` left why it cannot be folded."""
    modules = list(network.modules())
    return [why for kind, why in _KEPT.items() if any(isinstance(m, kind) for m in modules)]


def _pairs(module: nn.Module) -> Iterable[tuple[str, str]]:
    """Paths of convolutions and the norms that are applied to their outputs, if they are norms."""
    if type(module) is nn.Sequential:
        names = [
            f"{name}.conv" if isinstance(child, Convolution) and not hasattr(child, "adn") else name
            for name, child in module.named_children()
        ]
        return pairwise(names)
    if isinstance(module, Convolution):  # the first thing after the convolution, if it is the norm
        rest = getattr(module, "adn", nn.Sequential())
        return [("conv", f"adn.{name}") for name, _ in rest.named_children()][:1]
    return next((pairs for kind, pairs in _PAIRS.items() if isinstance(module, kind)), ())


def _find(module: nn.Module, path: str) -> nn.Module | None:
    try:
        return module.get_submodule(path)
    except AttributeError:  # a part that this one was made without
        return None
