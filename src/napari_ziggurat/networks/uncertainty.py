"""Uncertainty: how unsure a network is of each voxel, and how far its outputs disagree."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.blocks import resize
from napari_ziggurat.networks.network import SegmentationNetwork

__all__ = ["UncertainNetwork"]


class UncertainNetwork(nn.Module):
    """Gives the mean probabilities of all supervised outputs, their entropy and disagreement.

    The outputs of a network with deep supervision are taken for a committee. Each is brought to the
    grid of the image and counts as much as it did in training:

        p = sum of w_k p_k          w_k = 1, 1/2, 1/4, ... unless given, divided by their sum
        entropy = H(p)
        disagreement = H(p) - sum of w_k H(p_k)

    The disagreement is the mutual information of the label and the output that is asked for: 0
    where all say the same, however unsure they are. It is a part of the entropy, and what each
    output is unsure of by itself is the rest. Both are divided by the logarithm of the number of
    classes and lie between 0 and 1.

    Parameters
    ----------
    network : SegmentationNetwork
        In evaluation mode.
    weights : sequence of float
        Of each output in training, the best first; halving where it is empty.
    shapes : int
        Channels after those of the classes, which are left out.

    Raises
    ------
    InputError
        The network has a surround.

    References
    ----------
    N. Houlsby et al., Bayesian active learning for classification and preference learning, 2011,
    arXiv 1112.5745.
    """

    def __init__(
        self, network: SegmentationNetwork, weights: Sequence[float] = (), shapes: int = 0
    ) -> None:
        super().__init__()
        if getattr(network, "surround", None) is not None:
            raise InputError(
                f"Network '{network.config.name}' sees the surroundings of a window as well, and "
                "suggestions are made from windows alone. Take a model without a surround."
            )
        self.network = network
        self.weights = tuple(weights)
        self.classes = network.config.topology.out_channels - shapes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X), a multiple of the total stride, to (N, classes + 2, (Z), Y, X).

        The last two channels are entropy and disagreement. In float32 whatever the network
        computes in.
        """
        outputs = self.network.scales(x)
        weights = self.weights or [2.0**-k for k in range(len(outputs))]
        mean: torch.Tensor | float = 0.0
        each: torch.Tensor | float = 0.0
        for weight, logits in zip(weights, outputs, strict=True):
            share = weight / sum(weights)
            classes = logits[:, : self.classes].float()
            probabilities = resize(classes, x.shape[2:]).softmax(dim=1)
            mean = mean + share * probabilities
            each = each + share * _entropy(probabilities)
        assert isinstance(mean, torch.Tensor)  # every network has an output
        entropy = _entropy(mean)
        # Of outputs that agree, rounding may leave less than nothing.
        disagreement = (entropy - each).clamp_min(0)
        return torch.cat([mean, entropy, disagreement], dim=1)


def _entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """Entropy (N, 1, (Z), Y, X), divided by the largest that there can be."""
    classes = max(2, probabilities.shape[1])
    sums: torch.Tensor = torch.special.entr(probabilities).sum(dim=1, keepdim=True)
    return sums / math.log(classes)
