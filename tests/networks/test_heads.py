"""Heads against their papers, under any neck."""

import pytest
import torch
from torch import nn

from napari_ziggurat.networks import create_network
from napari_ziggurat.networks.blocks import resize
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.heads import (
    DeepLabHeadConfig,
    FCNHeadConfig,
    FPNHeadConfig,
    SemanticFPNHeadConfig,
    UPerHeadConfig,
)
from napari_ziggurat.networks.necks import (
    BiFPNConfig,
    FPNConfig,
    NoNeckConfig,
    UNetNeckConfig,
)
from napari_ziggurat.networks.parts import HeadConfig, NeckConfig, Style
from pyramids import encoded, pyramid

HEADS = [
    FCNHeadConfig(),
    FCNHeadConfig(level=-1),
    FPNHeadConfig(),
    SemanticFPNHeadConfig(),
    UPerHeadConfig(),
    DeepLabHeadConfig(),
]
NECKS = [NoNeckConfig(), UNetNeckConfig(), FPNConfig(coarser=1), BiFPNConfig(repeats=1)]


@pytest.mark.parametrize("head", HEADS, ids=repr)
@pytest.mark.parametrize("neck", NECKS, ids=lambda neck: neck.kind)
def test_heads_come_first_under_any_neck(head: HeadConfig, neck: NeckConfig) -> None:
    config = ComposedConfig(name="", topology=pyramid(2), neck=neck, head=head)
    network = create_network(config)
    x = torch.randn(2, 1, 16, 24)
    found: list[torch.Tensor] = []
    network.head.register_forward_hook(lambda *args: found.append(args[-1]))
    logits = network.train()(x)
    assert found[0].shape == (2, network.head.channels, 16, 24)
    assert len(logits) == 3
    torch.testing.assert_close(logits[0], network.classifiers[0](found[0]))


def test_semantic_fpn_climbs_one_level_at_a_time() -> None:
    topology = pyramid(2, 4)
    head = SemanticFPNHeadConfig(channels=2).build(topology.features, topology, Style(2))
    assert [len(path.convs) for path in head.paths] == [1, 1, 2, 3]  # table 1 of FCN: /4 to /32
    for path in head.paths:
        path.convs = nn.ModuleList(nn.Identity() for _ in path.convs)
    features = [x[:, :1] for x in encoded(topology, 16)]
    expected = features[0]
    for level in range(1, 4):
        x = features[level]
        for finer in reversed(range(level)):
            x = resize(x, features[finer].shape[2:])
        expected = expected + x
    torch.testing.assert_close(head(features), expected)


def test_the_head_of_fpn_averages_the_logits_of_the_levels() -> None:
    topology = pyramid(2)
    config = ComposedConfig(name="", topology=topology, neck=FPNConfig(), head=FPNHeadConfig())
    network = create_network(config).eval()
    head, classifier = network.head, network.classifiers[0]
    x = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        features = network.neck(network.encoder(x))
        logits = [
            resize(classifier(conv(f)), x.shape[2:])
            for conv, f in zip(head.convs, features, strict=True)
        ]
        torch.testing.assert_close(network(x), sum(logits) / 3)


def test_one_level_decides_alone() -> None:
    torch.manual_seed(0)
    topology = pyramid(2)
    head = FCNHeadConfig(level=1).build(topology.features, topology, Style(2)).eval()
    features = encoded(topology, 16)
    with torch.no_grad():
        expected = head(features)
        others = [torch.zeros_like(features[0]), features[1], torch.zeros_like(features[2])]
        assert torch.equal(head(others), expected)


def test_a_level_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="level 3 of 3"):
        ComposedConfig(
            name="", topology=pyramid(2), neck=NoNeckConfig(), head=FCNHeadConfig(level=3)
        )


def test_deeplab_joins_the_finest_with_the_coarsest() -> None:
    torch.manual_seed(0)
    topology = pyramid(3).with_features((60, 6, 8))
    head = DeepLabHeadConfig(channels=5).build(topology.features, topology, Style(3))
    assert head.low.conv.out_channels == 48
    features = encoded(topology, 8)
    for x in features:
        x.requires_grad_()
    head(features).square().sum().backward()
    assert [x.grad is not None for x in features] == [True, False, True]


@pytest.mark.parametrize("dims", [2, 3])
def test_every_level_reaches_the_output_of_upernet(dims: int) -> None:
    torch.manual_seed(0)
    topology = pyramid(dims)
    head = UPerHeadConfig().build(topology.features, topology, Style(dims))
    features = encoded(topology, 8)
    for x in features:
        x.requires_grad_()
    head(features).square().sum().backward()
    assert all(x.grad is not None and x.grad.any() for x in features)
