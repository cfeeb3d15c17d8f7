"""Contexts: the same means as torch's adaptive pooling, at any size and batch."""

import pytest
import torch
from torch.nn import functional

from napari_ziggurat.networks import Topology
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.contexts import (
    ASPPConfig,
    PyramidPoolingConfig,
    SeparableASPPConfig,
)
from napari_ziggurat.networks.contexts.pyramid_pooling import pool_to_bins
from napari_ziggurat.networks.parts import Style

ADAPTIVE = {2: functional.adaptive_avg_pool2d, 3: functional.adaptive_avg_pool3d}
CONTEXTS = [PyramidPoolingConfig(), ASPPConfig(), SeparableASPPConfig()]
FLAT = Topology(
    dims=3, in_channels=1, out_channels=2, features=(4, 12),
    strides=((1, 1, 1), (1, 2, 2)), kernels=((1, 3, 3), (1, 3, 3)),
)  # fmt: skip


@pytest.mark.parametrize("size", [(17, 23), (1, 5), (4, 4), (9, 17, 13), (2, 1, 3)])
@pytest.mark.parametrize("bins", [1, 2, 3, 6])
def test_pooling_is_adaptive_average_pooling(size: tuple[int, ...], bins: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size)
    expected = ADAPTIVE[len(size)](x, bins)
    torch.testing.assert_close(pool_to_bins(x, bins), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("config", CONTEXTS, ids=lambda c: c.kind)
@pytest.mark.parametrize("size", [(1, 1, 2), (1, 4, 3), (3, 9, 7)])
def test_contexts_keep_channels_and_size_at_batch_1(
    config: PyramidPoolingConfig, size: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    context = config.build(FLAT, Style(3)).train()
    x = torch.randn(1, 12, *size)
    out = context(x)
    assert out.shape == x.shape
    out.square().sum().backward()
    assert all(p.grad is not None for p in context.parameters())


@pytest.mark.parametrize("config", CONTEXTS, ids=lambda c: c.kind)
def test_every_convolution_learns_at_batch_2(config: PyramidPoolingConfig) -> None:
    torch.manual_seed(0)
    context = config.build(FLAT, Style(3)).train()
    context(torch.randn(2, 12, 3, 9, 7)).square().mul(torch.rand(9, 7)).sum().backward()
    slopes = {k: p.grad.abs().max() for k, p in context.named_parameters() if "conv.weight" in k}
    assert min(slopes.values()) > 1e-4 * max(slopes.values())


@pytest.mark.parametrize("config", CONTEXTS, ids=lambda c: c.kind)
def test_every_voxel_knows_the_whole_window(config: PyramidPoolingConfig) -> None:
    torch.manual_seed(0)
    context = config.build(FLAT, Style(3)).eval()
    x = torch.randn(1, 12, 1, 40, 40)
    changed = x.clone()
    changed[..., -1, -1] += 10
    with torch.no_grad():
        assert (context(x) - context(changed))[..., 0, 0].abs().max() > 0


@pytest.mark.parametrize("config", [PyramidPoolingConfig(width=5), ASPPConfig(width=5)])
def test_branches_have_no_more_channels_than_said(config: PyramidPoolingConfig) -> None:
    context = config.build(FLAT, Style(3))
    assert max(branch_channels(context)) == 5


def branch_channels(context: torch.nn.Module) -> list[int]:
    convs = [m for m in context.branches.modules() if isinstance(m, torch.nn.Conv3d)]
    return [conv.out_channels for conv in convs]


@pytest.mark.parametrize("config", [PyramidPoolingConfig(bins=(0,)), ASPPConfig(rates=(0, 1))])
def test_impossible_settings_are_refused(config: PyramidPoolingConfig) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        ComposedConfig(name="wrong", topology=FLAT, context=config)
