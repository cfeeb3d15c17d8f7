"""Encoder parameters: which of a network's parameters belong to what it sees an image with."""

import re
from collections.abc import Mapping

from torch import nn

from napari_ziggurat.networks.config import MonaiConfig
from napari_ziggurat.networks.monai_designs import MonaiDesign
from napari_ziggurat.networks.network import SegmentationNetwork

__all__ = ["encoder_parameters"]

_COMPOSED = r"(encoder|context|surround)\."

# MONAI has no common name for the way down.
_DESIGNS: Mapping[MonaiDesign, str] = {
    "BasicUNet": r"network\.(conv_0|down_)",
    "BasicUNetPlusPlus": r"network\.conv_\d_0\.",
    "AttentionUnet": r"network\.model\.(?!2\.)(?!.*\b(attention|upconv|merge)\b)",
    "DynUNet": r"network\.(input_block|downsamples|bottleneck)\.",
    "SegResNetDS": r"network\.encoder\.",
    "SwinUNETR": r"network\.(swinViT|encoder\d)",
}


def encoder_parameters(network: SegmentationNetwork) -> dict[str, nn.Parameter]:
    """Give the parameters of the encoder, with what follows it at its coarsest level, by name."""
    config = network.config
    pattern = _DESIGNS[config.design] if isinstance(config, MonaiConfig) else _COMPOSED
    named = network.named_parameters()
    return {name: parameter for name, parameter in named if re.match(pattern, name)}
