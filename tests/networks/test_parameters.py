"""Parameters are as many as in the networks that the papers published or that others wrote."""

import pytest
import torch
from torch import nn

from napari_ziggurat.networks import Topology
from napari_ziggurat.networks.blocks import Upsample
from napari_ziggurat.networks.config import ComposedConfig, MonaiConfig, NetworkConfig
from napari_ziggurat.networks.encoders import PlainEncoderConfig
from napari_ziggurat.networks.necks import (
    NestedUNetNeckConfig,
    UNet3PlusNeckConfig,
    UNetNeckConfig,
)
from napari_ziggurat.networks.registry import create_network

PUBLISHED = Topology(
    dims=2, in_channels=3, out_channels=1, features=(64, 128, 256, 512, 1024),
    strides=((1, 1), *((2, 2),) * 4), kernels=((3, 3),) * 5,
)  # fmt: skip


def composed(neck: object) -> ComposedConfig:
    """Make the config of a neck over U-Net's encoder, with transposed convolutions."""
    return ComposedConfig(
        name="published", topology=PUBLISHED, supervised=1, upsampling="deconv",
        encoder=PlainEncoderConfig(pooling="max"), neck=neck,
    )  # fmt: skip


def make(config: NetworkConfig) -> nn.Module:
    """Make a network without memory."""
    with torch.device("meta"):
        return create_network(config)


def count(module: nn.Module) -> int:
    """Count the parameters of a module."""
    return sum(p.numel() for p in module.parameters())


def upsampling(network: nn.Module) -> int:
    """Count what one tap of all upsampling kernels has."""
    convs = [m.conv for m in network.modules() if isinstance(m, Upsample)]
    return sum(conv.in_channels * conv.out_channels for conv in convs)


def test_unet3p_has_the_published_number() -> None:
    network = make(composed(UNet3PlusNeckConfig()).model_copy(update={"upsampling": "linear"}))
    classifier = 5 * 64 * 3 * 3 + 1  # the published one is a 3x3 convolution, ours a 1x1
    ours = count(network.encoder) + count(network.neck) + classifier
    assert ours == 26_965_249
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.bias is None]
    biases = sum(conv.out_channels for conv in convs)  # which batch norm makes superfluous
    assert ours + biases == 26_971_777


# In others' code the transposed convolutions have 4 x 4 taps (ZJU) where ours have 2 x 2, or the
# upsampling is by nearest neighbours and a 3 x 3 convolution (Lee).
@pytest.mark.parametrize(
    ("neck", "taps", "millions"),
    [
        (UNetNeckConfig(), 4, 31.113),  # MONAI's BasicUNet
        (UNetNeckConfig(), 16, 39.396),  # ZJU's UNet, as in table 1 of the UNet 3+ paper
        (UNetNeckConfig(), 9, 34.527),  # Lee's U_Net
        (NestedUNetNeckConfig(), 4, 36.452),  # MONAI's BasicUNetPlusPlus
        (NestedUNetNeckConfig(), 16, 47.176),  # ZJU's UNet++, as in the same table
        (UNetNeckConfig(gated=True), 9, 34.879),  # Lee's AttU_Net
    ],
)
def test_unets_have_the_published_numbers(neck: object, taps: int, millions: float) -> None:
    network = make(composed(neck))
    assert count(network) + (taps - 4) * upsampling(network) == pytest.approx(
        millions * 1e6, rel=0.01
    )


@pytest.mark.parametrize(
    ("design", "millions"),
    [("BasicUNet", 31.113), ("BasicUNetPlusPlus", 36.452), ("AttentionUnet", 31.740)],
)
def test_monais_networks_are_built_in_full(design: str, millions: float) -> None:
    network = make(MonaiConfig(name="m", topology=PUBLISHED, design=design, supervised=4))
    assert count(network) == pytest.approx(millions * 1e6, rel=0.001)
