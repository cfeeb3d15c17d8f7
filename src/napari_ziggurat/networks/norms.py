"""Norms: exact running statistics before saving, folding into convolutions before predicting."""

from collections.abc import Iterable
from typing import Any

import torch
from monai.networks.blocks import Convolution
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_batch_norm", "reestimate_statistics"]


@torch.no_grad()
def reestimate_statistics(network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Replace the running statistics of batch norm by those of the given data.

    The moving average kept while training lags behind the parameters; here every batch counts the
    same (arXiv 2105.07576, section 3). Networks without batch norm are left alone.

    Parameters
    ----------
    network : Module
        Left in the mode (training or not) that it was in.
    batches : iterable of (N, C, (Z), Y, X) tensors
        Training patches.
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
        network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(was_training)


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution before it, in place; for evaluation only.

    Outputs change by float32 rounding (< 1e-4). Returns the network.
    """
    for module in network.modules():
        if isinstance(module, Convolution) and hasattr(module, "adn"):
            adn: Any = module.adn
            if isinstance(norm := getattr(adn, "N", None), _BatchNorm):
                conv: Any = module.conv
                module.conv = fuse_conv_bn_eval(conv.eval(), norm.eval())
                adn.N = nn.Identity()
    return network
