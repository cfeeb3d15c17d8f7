"""Scale equalizers: what resizing does to variance, and what calibration makes of it."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks import Topology, create_network
from napari_ziggurat.networks.blocks import ConvSpec, conv_norm_act
from napari_ziggurat.networks.calibration import (
    calibrate,
    fold_equalizers,
    initialise_weights,
    uncalibrated,
)
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.equalizer import Moments, ScaleEqualizer
from napari_ziggurat.networks.fusion import CatFuse, SumFuse
from napari_ziggurat.networks.norms import fold_batch_norm, reestimate_statistics
from napari_ziggurat.networks.parts import Style

MODES = {2: "bilinear", 3: "trilinear"}


def kappa(factor: int) -> float:
    """Variance that is left after linear resizing of independent voxels along one axis."""
    return 2 / 3 + (1 / (3 * factor**2) if factor % 2 else -1 / (6 * factor**2))


def config(dims: int = 2, **more: object) -> ComposedConfig:
    strides = ((1,) * dims, (2,) * dims, (2,) * dims)
    topology = Topology(
        dims=dims, in_channels=1, out_channels=2, features=(4, 6, 8), strides=strides,
        kernels=((3,) * dims,) * 3,
    )  # fmt: skip
    return ComposedConfig.model_validate({"name": "test", "topology": topology} | more)


@pytest.mark.parametrize("factors", [(2, 2), (4, 4), (3, 3), (2, 2, 2), (1, 4, 4)])
def test_resizing_shrinks_the_variance_as_the_closed_form_says(factors: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    size = (512, 512) if len(factors) == 2 else (32, 64, 64)
    x = torch.randn(1, 1, *size)
    out = functional.interpolate(
        x, scale_factor=tuple(map(float, factors)), mode=MODES[len(factors)], align_corners=False
    )
    inner = out[(..., *(slice(f, -f) for f in factors))]
    wanted = math.prod(kappa(f) for f in factors if f > 1)
    assert float(inner.var()) == pytest.approx(wanted, rel=0.02)


def test_variance_after_norm_and_relu() -> None:
    torch.manual_seed(0)
    x = torch.randn(4_000_000).relu()
    assert float(x.var()) == pytest.approx((math.pi - 1) / (2 * math.pi), abs=1e-3)


def test_moments_of_batches_are_those_of_the_whole() -> None:
    torch.manual_seed(0)
    x = torch.randn(1000, dtype=torch.float64) * 3 + 100
    moments = Moments()
    for part in x.split([1, 9, 400, 590]):
        moments.add(part)
    assert moments.mean == pytest.approx(float(x.mean()), rel=1e-12)
    assert moments.std == pytest.approx(float(x.std(unbiased=False)), rel=1e-12)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("upsampling", ["linear", "deconv"])
def test_calibrated_features_have_one_scale(dims: int, upsampling: str) -> None:
    torch.manual_seed(0)
    network = create_network(config(dims, equalize="explicit", upsampling=upsampling))
    size = (48, 48) if dims == 2 else (16, 24, 24)
    batches = [torch.randn(4, 1, *size) for _ in range(6)]
    seen = batches[:4]
    fusions = calibrate(network, seen)
    assert len(fusions) == 2
    for fusion in fusions:
        for mean, variance in _outputs(network, fusion, seen):
            assert mean == pytest.approx(0, abs=1e-3)
            assert variance == pytest.approx(1, abs=1e-3)
        for _, variance in _outputs(network, fusion, batches[4:]):
            assert variance == pytest.approx(1, abs=0.1)


def _outputs(
    network: nn.Module, fusion: CatFuse, batches: Sequence[torch.Tensor]
) -> list[tuple[float, float]]:
    """Mean and variance of what each equalizer gives."""
    found = [Moments() for _ in fusion.equalizers]
    hooks = [
        each.register_forward_hook(lambda m, i, out, n=n: found[n].add(out))
        for n, each in enumerate(fusion.equalizers)
    ]
    network.train()
    with torch.no_grad():
        for batch in batches:
            network(batch)
    for hook in hooks:
        hook.remove()
    return [(each.mean, each.std**2) for each in found]


def test_calibration_leaves_the_statistics_of_norms_alone() -> None:
    network = create_network(config(equalize="explicit")).eval()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [(m.running_mean.clone(), m.running_var.clone()) for m in norms]
    calibrate(network, [torch.randn(2, 1, 16, 16)])
    assert not network.training
    for norm, (mean, var) in zip(norms, before, strict=True):
        assert torch.equal(norm.running_mean, mean)
        assert torch.equal(norm.running_var, var)
        assert norm.momentum == 0.1


@pytest.mark.parametrize("dims", [2, 3])
def test_branches_of_other_scales_get_equal_gradients(dims: int) -> None:
    """The gradient of a 1x1 fusion's weights, branch by branch, for a white error signal."""
    raw, equalized = (_gradient_ratios(dims, equalize) for equalize in ("off", "explicit"))
    assert all(abs(ratio - 1) < 0.05 for ratio in equalized)
    assert all(ratio < 0.9 for ratio in raw)


def _gradient_ratios(dims: int, equalize: str, draws: int = 128) -> list[float]:
    """Root mean square gradients of branches resized by 2 and 4, against one that is not."""
    torch.manual_seed(0)
    style = Style(dims, equalize=equalize)
    conv = conv_norm_act(ConvSpec(dims, (1,) * dims, None), (12, 4), act=False)
    fuse = CatFuse(conv, 3, style)
    size = (64,) * 2 if dims == 2 else (16,) * 3

    def features() -> list[torch.Tensor]:
        coarse = [torch.randn(1, 4, *(n // f for n in size)).relu() for f in (1, 2, 4)]
        return [
            functional.interpolate(x, size=size, mode=MODES[dims], align_corners=False)
            for x in coarse
        ]

    fuse.eval()
    if equalize != "off":
        for each in fuse.equalizers:
            each.observe()
        for _ in range(64):
            fuse(features())
        for each in fuse.equalizers:
            each.freeze()
    squares = torch.zeros(12)
    for _ in range(draws):
        out = fuse(features())
        conv.zero_grad()
        out.backward(torch.randn_like(out))
        squares += conv.conv.weight.grad.flatten(1).square().sum(0)
    energy = squares.reshape(3, 4).sum(dim=1).sqrt()
    return [float(energy[i] / energy[0]) for i in (1, 2)]


def test_folding_into_1x1_changes_nothing() -> None:
    torch.manual_seed(0)
    fuse, features = _calibrated(kernel=1)
    before = fuse(features)
    assert fold_equalizers(nn.Sequential(fuse)) == ["0"]
    torch.testing.assert_close(fuse(features), before, atol=1e-5, rtol=1e-5)
    assert not len(fuse.equalizers)


def test_folding_into_3x3_is_exact_inside_and_is_not_done_at_export() -> None:
    torch.manual_seed(0)
    fuse, features = _calibrated(kernel=3)
    before = fuse(features)
    assert fold_equalizers(nn.Sequential(fuse)) == []
    initialise_weights(nn.Sequential(fuse))
    after = fuse(features)
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(after[inner], before[inner], atol=1e-5, rtol=1e-5)
    assert (after - before).abs().max() > 1e-2  # zeros at the border stand for the mean


def _calibrated(kernel: int) -> tuple[CatFuse, list[torch.Tensor]]:
    spec = ConvSpec(2, (kernel, kernel), None)
    fuse = CatFuse(conv_norm_act(spec, (5, 4), act=False), 2, Style(2, equalize="explicit"))
    features = [torch.randn(2, 3, 12, 12) * 5 + 2, torch.randn(2, 2, 12, 12) * 0.2 - 1]
    for each in fuse.equalizers:
        each.observe()
    fuse(features)
    for each in fuse.equalizers:
        each.freeze()
    return fuse.eval(), features


def test_an_equalizer_is_the_identity_until_it_is_calibrated() -> None:
    network = create_network(config(equalize="explicit"))
    names = uncalibrated(network)
    assert len(names) == 4
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(ScaleEqualizer()(x), x)
    calibrate(network, [torch.randn(2, 1, 16, 16)])
    assert uncalibrated(network) == []


def test_statistics_are_saved_with_the_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = create_network(config(equalize="explicit"))
    calibrate(network, [torch.randn(2, 1, 16, 16)])
    save_file(network.state_dict(), tmp_path / "weights")
    other = create_network(config(equalize="explicit"))
    other.load_state_dict(load_file(tmp_path / "weights"), strict=True)
    assert uncalibrated(other) == []
    x = torch.randn(1, 1, 20, 20)
    with torch.no_grad():
        assert torch.equal(network.eval()(x), other.eval()(x))


def test_what_does_not_vary_is_not_blown_up() -> None:
    equalizer = ScaleEqualizer()
    equalizer.observe()
    equalizer(torch.full((1, 2, 4, 4), 3.0))
    equalizer.freeze()
    x = torch.randn(1, 2, 4, 4)
    torch.testing.assert_close(equalizer(x), x - 3)


def test_one_feature_alone_is_not_equalized() -> None:
    assert not len(CatFuse(nn.Identity(), 1, Style(2, equalize="explicit")).equalizers)


def test_an_equalized_network_is_folded_and_computes_in_reduced_precision() -> None:
    torch.manual_seed(0)
    network = create_network(config(equalize="explicit", upsampling="deconv"))
    batches = [torch.randn(2, 1, 16, 16) for _ in range(4)]
    calibrate(network, batches)
    reestimate_statistics(network, batches)
    with torch.no_grad():
        wanted = network.eval()(batches[0])
        torch.testing.assert_close(fold_batch_norm(network)(batches[0]), wanted, atol=1e-4, rtol=0)
        coarse = network.bfloat16()(batches[0].bfloat16()).float()
    assert (coarse - wanted).abs().max() < 0.03 * wanted.abs().max()


def test_sums_are_equalized_only_when_that_is_said() -> None:
    assert not len(SumFuse(2, Style(2, equalize="explicit")).equalizers)
    assert len(SumFuse(2, Style(2, equalize="explicit", equalize_sums=True)).equalizers) == 2
    x = torch.randn(1, 2, 3, 3)
    torch.testing.assert_close(SumFuse(3, Style(2))([x, x, x]), 3 * x)
