"""Pull: an encoder that goes on from a parent learns slowly and is drawn back to where it began."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn

from napari_ziggurat.networks.encoder_parameters import encoder_parameters
from napari_ziggurat.networks.network import SegmentationNetwork

__all__ = ["Pull", "parameter_groups"]


@dataclass(frozen=True, eq=False)
class Pull:
    """L2-SP: the penalty is the distance to the parent's weights, not to zero.

    Li, Grandvalet and Davoine, ICML 2018 (arXiv 1802.01483), equation 2: strength / 2 times the
    squared distance. It takes the place of weight decay in the encoder; what follows it, the
    classifiers included, has weight decay as ever.

    Attributes
    ----------
    start : mapping of str to tensor
        Encoder parameters of the parent, on the device of the network.
    rate : float
        Learning rate of the encoder as a part of that of the rest.
    strength : float
        The alpha of the paper.
    """

    start: Mapping[str, torch.Tensor]
    rate: float = 0.1
    strength: float = 0.1

    @classmethod
    def of(cls, network: SegmentationNetwork, rate: float, strength: float) -> Self:
        """Take a network as it is now for the parent."""
        start = {name: p.detach().clone() for name, p in encoder_parameters(network).items()}
        return cls(start, rate, strength)

    def add_to_gradients(self, network: nn.Module) -> None:
        """Add the gradient of the penalty to those of the encoder that there are."""
        held = dict(network.named_parameters())
        taught = {name: p for name in self.start if (p := held[name]).grad is not None}
        gradients = [p.grad for p in taught.values() if p.grad is not None]
        away = [p.detach() - self.start[name] for name, p in taught.items()]
        if away:
            torch._foreach_add_(gradients, away, alpha=self.strength)


def parameter_groups(
    network: nn.Module, weight_decay: float, pull: Pull | None
) -> list[dict[str, Any]]:
    """Divide parameters for the optimiser: one group, or with a pull the encoder and the rest.

    Returns
    -------
    list of dict
        ``params``, ``weight_decay`` and ``scale``, by which the learning rate is multiplied.
    """
    named = list(network.named_parameters())
    start = {} if pull is None else pull.start
    rest = [p for name, p in named if name not in start]
    groups: list[dict[str, Any]] = [{"params": rest, "weight_decay": weight_decay, "scale": 1.0}]
    if pull is not None:
        encoder = [p for name, p in named if name in start]
        groups.append({"params": encoder, "weight_decay": 0.0, "scale": pull.rate})
    return [group for group in groups if group["params"]]
