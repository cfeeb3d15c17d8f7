"""Analysis: receptive fields, features, attention and costs."""

import numpy as np
import pytest
import torch

from napari_ziggurat.networks import configure_network, create_network
from napari_ziggurat.networks.analysis import (
    attention_maps,
    branch_scales,
    costs,
    feature_pyramid,
    principal_components,
    receptive_field,
)
from napari_ziggurat.networks.calibration import calibrate
from napari_ziggurat.networks.config import ComposedConfig
from pyramids import ANISOTROPIC, PLANE, pyramid


def test_the_receptive_field_of_one_level_is_that_of_its_kernels() -> None:
    """Two 3x3 convolutions see 5 voxels."""
    network = create_network(configure_network("unet", pyramid(2, levels=1)))
    field = receptive_field(network, (17, 17))
    assert field.theoretical == (5, 5)
    assert 0 < field.radius_50 <= field.radius_95 <= 2 * 2**0.5
    assert field.gradient.shape == (17, 17)
    assert field.gradient.max() == 1


def test_coarser_levels_see_farther_and_flat_kernels_do_not_see_across() -> None:
    fields = [
        receptive_field(create_network(configure_network("unet", topology)), (21, 45, 45))
        for topology in (ANISOTROPIC, pyramid(3, levels=2))
    ]
    assert fields[0].theoretical[0] < fields[0].theoretical[1]
    assert fields[1].theoretical[0] == fields[1].theoretical[1]


def test_features_of_every_part_are_found_at_their_scale() -> None:
    network = create_network(configure_network("upernet", PLANE))
    found = feature_pyramid(network, torch.randn(1, 1, 24, 32))
    assert found["encoder 1"].shape == (1, 6, 12, 16)
    assert found["encoder 2"].shape == (1, 8, 6, 8)
    assert found["classifiers 0"].shape == (1, 3, 24, 32)
    assert {"neck 0", "head"} <= set(found)


def test_principal_components_explain_the_most_first() -> None:
    rng = np.random.default_rng(0)
    signal, noise = rng.normal(size=(2, 400))
    feature = np.stack([3 * signal, 4 * signal, noise]).reshape(3, 20, 20)
    first, second = principal_components(feature, 2).reshape(2, -1)
    assert abs(np.corrcoef(first, signal)[0, 1]) > 0.999
    assert abs(np.corrcoef(second, noise)[0, 1]) > 0.99


def test_attention_is_between_0_and_1_and_only_where_there_are_gates() -> None:
    x = torch.randn(1, 1, 24, 32)
    maps = attention_maps(create_network(configure_network("attention_unet", PLANE)), x)
    assert [tuple(each.shape) for each in maps.values()] == [(1, 1, 12, 16)]
    assert all(0 <= float(each.min()) <= float(each.max()) <= 1 for each in maps.values())
    assert attention_maps(create_network(configure_network("unet", PLANE)), x) == {}


def test_scales_of_branches_before_and_after_their_equalizers() -> None:
    torch.manual_seed(0)
    config = ComposedConfig(name="test", topology=PLANE, equalize="explicit", upsampling="deconv")
    network = create_network(config)
    x = torch.randn(4, 1, 48, 48)
    calibrate(network, [x])
    scales = branch_scales(network.train(), x)
    assert len(scales) == 4
    assert network.training
    assert min(each.before for each in scales) < 0.3
    network.eval()
    assert all(each.after == pytest.approx(each.before / float(std) ** 2, rel=1e-3) for each, std in
               zip(branch_scales(network, x), _stds(network), strict=True))  # fmt: skip


def _stds(network: torch.nn.Module) -> list[torch.Tensor]:
    order = ("fuses.1", "fuses.0")
    return [network.neck.get_submodule(name).equalizers[i].std for name in order for i in (0, 1)]


@pytest.mark.parametrize("dims", [2, 3])
def test_costs_add_up(dims: int) -> None:
    network = create_network(configure_network("unet", pyramid(dims)))
    *parts, total = costs(network, (16,) * dims)
    assert total.parameters == sum(p.numel() for p in network.parameters())
    assert sum(part.parameters for part in parts) == total.parameters
    assert sum(part.multiply_adds for part in parts) == total.multiply_adds > 0
