"""Analysis: features and their places, components, attention, branches and costs."""

import numpy as np
import pytest
import torch

from napari_ziggurat.networks import Topology, configure_network, create_network
from napari_ziggurat.networks.analysis import (
    attention_maps,
    costs,
    feature_pyramid,
    fusion_scales,
    principal_components,
)
from napari_ziggurat.networks.calibration import calibrate
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.network import SegmentationNetwork
from pyramids import PLANE, pyramid

X = (1, 1, 24, 32)


def made(name: str, topology: Topology = PLANE) -> SegmentationNetwork:
    torch.manual_seed(0)
    return create_network(configure_network(name, topology))


def test_features_of_every_part_are_found_at_their_scale() -> None:
    found = feature_pyramid(made("upernet"), torch.randn(X))
    shapes = {(f.part, f.level): (tuple(f.values.shape), f.stride) for f in found}
    assert shapes["encoder", 1] == ((1, 6, 12, 16), (2, 2))
    assert shapes["encoder", 2] == ((1, 8, 6, 8), (4, 4))
    assert shapes["classifiers", 0] == ((1, 3, 24, 32), (1, 1))
    assert shapes["head", 0][1] == (1, 1)
    assert not any(f.part == "context" for f in found)  # there is none
    assert found[0].part == "encoder"


def test_what_covers_only_the_padding_inside_is_cut_off() -> None:
    found = feature_pyramid(made("unet"), torch.randn(1, 1, 21, 5))
    shapes = {(f.part, f.level): tuple(f.values.shape[2:]) for f in found}
    assert shapes["encoder", 0] == (21, 5)
    assert shapes["encoder", 1] == (11, 3)
    assert shapes["encoder", 2] == (6, 2)


@pytest.mark.parametrize("dims", [2, 3])
def test_networks_of_other_makers_give_their_logits(dims: int) -> None:
    x = torch.randn(1, 1, *(21,) * dims)
    found = feature_pyramid(made("monai_dynunet", pyramid(dims)), x)
    assert [(f.part, f.stride, f.values.shape[2:]) for f in found] == [
        ("logits", (1,) * dims, x.shape[2:])
    ]


def test_features_of_a_recursive_neck_are_those_of_its_last_pass() -> None:
    network = made("recursive_fpn").eval()
    x = torch.randn(X)
    found = {(f.part, f.level): f.values for f in feature_pyramid(network, x)}
    outputs = [found["neck", level] for level in range(3)]
    with torch.no_grad():
        assert torch.allclose(network.head(outputs), found["head", 0])
        assert not torch.allclose(network.neck(network._encode(x))[0], outputs[0])
    assert "refine" not in vars(network.neck)


def test_features_are_those_of_evaluation_and_the_network_stays_as_it_is() -> None:
    network = made("unet").train()
    (last,) = (f.values for f in feature_pyramid(network, torch.ones(X)) if f.part == "classifiers")
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert torch.equal(last, network.eval()(torch.ones(X)))


def test_principal_components_explain_the_most_first() -> None:
    rng = np.random.default_rng(0)
    signal, noise = rng.normal(size=(2, 400))
    feature = np.stack([-3 * signal, -4 * signal, noise]).reshape(3, 20, 20) + 7
    found = principal_components(feature, 2)
    first, second = found.maps.reshape(2, -1)
    assert np.corrcoef(first, signal)[0, 1] < -0.999  # its largest weight is positive
    assert np.corrcoef(second, noise)[0, 1] > 0.99
    assert found.shares[0] == pytest.approx(25 * signal.var() / (25 * signal.var() + noise.var()),
                                            rel=1e-2)  # fmt: skip
    assert sum(found.shares) == pytest.approx(1)


def test_a_constant_feature_has_components_of_zero() -> None:
    found = principal_components(np.full((2, 4, 4), 3.0))
    assert found.maps.shape == (2, 4, 4)
    assert not found.maps.any()
    assert found.shares == (0, 0)


def test_attention_is_between_0_and_1_and_only_where_there_are_gates() -> None:
    x = torch.randn(X)
    maps = attention_maps(made("attention_unet"), x)
    assert [(m.part, tuple(m.values.shape), m.stride) for m in maps] == [
        ("neck.gates.1", (1, 1, 12, 16), (2, 2))
    ]
    assert all(0 <= float(m.values.min()) <= float(m.values.max()) <= 1 for m in maps)
    assert attention_maps(made("unet"), x) == []


def test_attention_of_monais_blocks_comes_fine_to_coarse() -> None:
    maps = attention_maps(made("monai_attention_unet", pyramid(2)), torch.randn(X))
    assert [m.stride for m in maps] == [(1, 1), (2, 2)]
    assert all(0 <= float(m.values.min()) <= float(m.values.max()) <= 1 for m in maps)


def test_branches_are_measured_before_and_after_their_equalizers() -> None:
    torch.manual_seed(0)
    config = ComposedConfig(name="test", topology=PLANE, equalize="explicit", upsampling="deconv")
    network = create_network(config)
    x = torch.randn(4, 1, 48, 48)
    calibrate(network, [x])
    scales = fusion_scales(network.train(), x)
    assert [each.name for each in scales] == ["neck.fuses.1", "neck.fuses.0"]
    assert network.training
    assert min(v for each in scales for v in each.before) < 0.3
    for each in scales:
        stds = [float(e.std) for e in network.get_submodule(each.name).equalizers]
        expected = [v / std**2 for v, std in zip(each.before, stds, strict=True)]
        assert each.after == pytest.approx(expected, rel=1e-3)


def test_branches_are_measured_without_equalizers_too() -> None:
    network = made("fpn")
    scales = fusion_scales(network, torch.randn(X))
    assert {each.after for each in scales} == {None}
    sums = [each for each in scales if each.name.startswith("neck.fuses")]
    assert [each.joins for each in sums] == ["sum", "sum"]
    assert all(len(each.before) == 2 and each.ratio >= 1 for each in sums)


@pytest.mark.parametrize("dims", [2, 3])
def test_costs_add_up(dims: int) -> None:
    network = made("unet", pyramid(dims))
    *parts, total = costs(network, (16,) * dims)
    assert total.parameters == sum(p.numel() for p in network.parameters())
    assert sum(part.parameters for part in parts) == total.parameters
    assert sum(part.multiply_adds for part in parts) == total.multiply_adds > 0
