"""Encoders: the pyramid that the topology says, and what is particular to each family."""

import pytest
import torch
from monai.networks.nets.efficientnet import MBConvBlock
from monai.networks.nets.resnet import ResNetBlock, ResNetBottleneck
from monai.networks.nets.swin_unetr import SwinTransformerBlock, compute_mask, get_window_size
from torch import nn

from napari_ziggurat.networks import Topology, configure_network, create_network, list_networks
from napari_ziggurat.networks.blocks import ConvSpec, divisor
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.encoders import (
    ConvNeXtEncoderConfig,
    DilatedEncoderConfig,
    EfficientNetEncoderConfig,
    HRNetEncoderConfig,
    InceptionEncoderConfig,
    PlainEncoderConfig,
    RegNetEncoderConfig,
    ResidualEncoderConfig,
    ResNetEncoderConfig,
    ResNeXtEncoderConfig,
    SwinEncoderConfig,
)
from napari_ziggurat.networks.encoders.dilated import DilatedBlock
from napari_ziggurat.networks.encoders.efficientnet import MBConv
from napari_ziggurat.networks.encoders.resnet import BasicBlock, BottleneckBlock
from napari_ziggurat.networks.encoders.swin import ShiftedBlock, SwinStage
from napari_ziggurat.networks.heads import FPNHeadConfig
from napari_ziggurat.networks.necks import (
    BiFPNConfig,
    FPNConfig,
    NasFPNConfig,
    NestedUNetNeckConfig,
    NoNeckConfig,
    RecursiveFPNConfig,
    UNet3PlusNeckConfig,
    UNetNeckConfig,
)
from napari_ziggurat.networks.norms import fold_batch_norm, reestimate_statistics
from napari_ziggurat.networks.parts import EncoderConfig, NeckConfig, Style

PLANE = Topology(
    dims=2, in_channels=1, out_channels=2, features=(4, 8, 12),
    strides=((1, 1), (2, 2), (2, 2)), kernels=((3, 3),) * 3,
)  # fmt: skip
ANISOTROPIC = Topology(
    dims=3, in_channels=2, out_channels=2, features=(4, 8, 12),
    strides=((1, 1, 1), (1, 2, 3), (2, 2, 2)), kernels=((1, 3, 3), (1, 3, 3), (3, 3, 3)),
)  # fmt: skip
ENCODERS = [
    PlainEncoderConfig(),
    ResidualEncoderConfig(blocks=2, squeeze="channel"),
    ResidualEncoderConfig(squeeze="residual"),
    InceptionEncoderConfig(),
    DilatedEncoderConfig(),
    HRNetEncoderConfig(blocks=2, exchanges=2),
    ResNetEncoderConfig(),
    ResNetEncoderConfig(bottleneck=True),
    ResNeXtEncoderConfig(),
    RegNetEncoderConfig(group_width=4, squeeze=True),
    EfficientNetEncoderConfig(),
    ConvNeXtEncoderConfig(),
    SwinEncoderConfig(window=4, head_width=4),
]
NECKS = [
    NoNeckConfig(),
    UNetNeckConfig(),
    UNetNeckConfig(gated=True),
    NestedUNetNeckConfig(),
    UNet3PlusNeckConfig(guided=True),
    FPNConfig(coarser=1),
    FPNConfig(bottom_up=True),
    FPNConfig(aligned=True),
    RecursiveFPNConfig(),
    BiFPNConfig(repeats=1),
    NasFPNConfig(repeats=1),
]
PRESETS = ["se_unet", "inception_unet", "dilated_unet", "hrnet", "resnet_unet", "resnext_unet",
           "regnet_unet", "efficientnet_unet", "convnext_unet", "swin_unet"]  # fmt: skip
SUMMARIES = {info.name: info.summary for info in list_networks()}


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
@pytest.mark.parametrize("config", ENCODERS, ids=repr)
def test_features_are_those_of_the_topology(config: EncoderConfig, norm: str) -> None:
    config.check(ANISOTROPIC)
    encoder = config.build(ANISOTROPIC, Style(3, norm))
    features = encoder(torch.randn(2, 2, 4, 12, 24))
    shapes = [(4, 4, 12, 24), (8, 4, 6, 8), (12, 2, 3, 4)]
    assert [tuple(each.shape[1:]) for each in features] == shapes


@pytest.mark.parametrize("neck", NECKS, ids=repr)
@pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
def test_every_encoder_learns_under_every_neck(encoder: EncoderConfig, neck: NeckConfig) -> None:
    if neck.feeds_back and not encoder.takes_feedback:
        pytest.skip("refused in words: the encoder takes no feedback")
    learns(PLANE, encoder, neck, (2, 1, 13, 18))


@pytest.mark.parametrize("neck", NECKS, ids=repr)
@pytest.mark.parametrize("encoder", [ResidualEncoderConfig(), SwinEncoderConfig(window=4)])
def test_volumes_are_learned_from_under_every_neck(
    encoder: EncoderConfig, neck: NeckConfig
) -> None:
    learns(ANISOTROPIC, encoder, neck, (2, 2, 3, 13, 18))


def learns(
    topology: Topology, encoder: EncoderConfig, neck: NeckConfig, shape: tuple[int, ...]
) -> None:
    """Compute forwards and backwards; every parameter has to get something."""
    torch.manual_seed(0)
    head = FPNHeadConfig() if neck == FPNConfig(coarser=1) else None  # reads what is coarser
    parts = {"encoder": encoder, "neck": neck, "head": head}
    network = create_network(ComposedConfig(name="", topology=topology, **parts))
    logits = network(torch.randn(shape))
    assert all(each.shape == (shape[0], 2, *shape[2:]) for each in logits)
    sum(each.square().sum() for each in logits).backward()
    assert [k for k, p in network.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("config", ENCODERS, ids=repr)
def test_all_batch_norms_are_folded_and_change_nothing(config: EncoderConfig) -> None:
    torch.manual_seed(0)
    encoder = config.build(ANISOTROPIC, Style(3))
    x = torch.randn(2, 2, 4, 12, 24)
    reestimate_statistics(encoder, [x])
    with torch.no_grad():
        expected = encoder.eval()(x)
        folded = fold_batch_norm(encoder)(x)
    assert not any(isinstance(m, nn.BatchNorm3d) for m in encoder.modules())
    for found, wanted in zip(folded, expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_summary_says_whether_results_depend_on_the_tiling(name: str) -> None:
    torch.manual_seed(0)
    two_levels = {key: getattr(PLANE, key)[:2] for key in ("features", "strides", "kernels")}
    topology = PLANE.model_copy(update=two_levels)
    network = create_network(configure_network(name, topology))
    image = torch.randn(1, 1, 128, 128) + torch.linspace(0, 4, 128)
    reestimate_statistics(network, [image])
    with torch.no_grad():
        network.eval()
        whole, tile = network(image), network(image[..., 12:, 12:])
    difference = (whole[..., 64:72, 64:72] - tile[..., 52:60, 52:60]).abs().max()
    assert ("results depend on the tiling" in SUMMARIES[name]) == (difference > 1e-4)


@pytest.mark.parametrize(
    ("ours", "monai"),
    [
        (BasicBlock, ResNetBlock(8, 8, 2)),
        (BottleneckBlock, ResNetBottleneck(8, 2, 2)),
        (MBConv, MBConvBlock(2, 8, 8, 3, 1, [9, 9], 6, 0.25, True, "batch", None)),
    ],
)
def test_blocks_are_monais_where_kernels_and_strides_are_equal(
    ours: type[nn.Module], monai: nn.Module
) -> None:
    block = ours(ConvSpec(2, (3, 3), "batch"), (8, 8))
    block.load_state_dict(monai.state_dict())
    x = torch.randn(2, 8, 9, 9)
    torch.testing.assert_close(block.train()(x), monai.train()(x))


def test_hybrid_rates_see_every_voxel() -> None:
    block = DilatedBlock(ConvSpec(2, (3, 3), None), (1, 1))
    for weights in block.parameters():
        nn.init.ones_(weights)
    x = torch.ones(1, 1, 19, 19, requires_grad=True)
    block(x)[0, 0, 9, 9].backward()
    assert x.grad is not None
    assert (x.grad[0, 0] > 0).nonzero().unique().tolist() == list(range(1, 18))
    assert (x.grad[0, 0, 1:18, 1:18] > 0).all()


@pytest.mark.parametrize("grid", [(8, 12), (4, 8), (4, 4), (4, 8, 8), (1, 8, 4)])
def test_shifted_windows_are_monais(grid: tuple[int, ...]) -> None:
    window = tuple(min(4, n) for n in grid)
    shift = tuple(w // 2 for w in window)
    monai = SwinTransformerBlock(8, 2, window, shift)
    ours = ShiftedBlock(8, 2, window, shift)
    ours.load_state_dict(monai.state_dict())
    x = torch.randn(2, *grid, 8)
    mask = compute_mask(grid, *get_window_size(grid, window, shift), "cpu")
    torch.testing.assert_close(ours(x), monai(x, mask))


@pytest.mark.parametrize("size", [(1, 1), (3, 17), (8, 8), (9, 20)])
def test_swin_takes_any_size(size: tuple[int, int]) -> None:
    spec = ConvSpec(2, (3, 3), "batch")
    stage = SwinStage(spec, (4, 8), (1, 1), blocks=2, window=8, head_width=4)
    out = stage(torch.randn(1, 4, *size))
    assert out.shape == (1, 8, *size)
    assert out.isfinite().all()


@pytest.mark.parametrize(
    ("config", "change", "what"),
    [
        (DilatedEncoderConfig(rates=(1, 2, 9)), {}, "unseen"),
        (DilatedEncoderConfig(rates=(2, 4, 8)), {}, "unseen"),
        (DilatedEncoderConfig(rates=(2, 2, 2)), {}, "unseen"),
        (DilatedEncoderConfig(rates=(0, 1)), {}, "1 or more"),
        (InceptionEncoderConfig(), {"features": (3, 8, 12)}, "4 or more"),
        (ResNetEncoderConfig(bottleneck=True), {"features": (4, 6, 8)}, "multiples of 4"),
        (ConvNeXtEncoderConfig(kernel=4), {}, "odd"),
        (SwinEncoderConfig(blocks=3), {}, "even"),
    ],
)
def test_impossible_encoders_are_refused(
    config: EncoderConfig, change: dict[str, tuple[int, ...]], what: str
) -> None:
    with pytest.raises(ValueError, match=what):
        config.check(PLANE.model_copy(update=change))


@pytest.mark.parametrize(("channels", "most", "groups"), [(12, 8, 6), (6, 0, 1), (7, 5, 1)])
def test_channels_are_split_equally(channels: int, most: int, groups: int) -> None:
    assert divisor(channels, most) == groups
