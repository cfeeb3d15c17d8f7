"""Outputs: their grids are known without computing, several are had at once."""

import pytest
import torch

from napari_ziggurat.networks import configure_network, create_network
from napari_ziggurat.networks.outputs import SelectedOutputs, output_ratios
from napari_ziggurat.networks.registry import known_presets
from pyramids import ANISOTROPIC, FIVE_LEVELS, seen


@pytest.mark.parametrize("name", sorted(known_presets()))
def test_the_grid_of_each_output_is_known_before_it_is_computed(name: str) -> None:
    if name == "monai_swin_unetr":
        pytest.importorskip("einops", reason="MONAI's SwinUNETR needs it")
    network = create_network(configure_network(name, FIVE_LEVELS[2])).eval()
    x = torch.randn(1, 1, *(2 * n for n in network.stride))
    with torch.no_grad():
        found = network.scales(*seen(network, x))
    expected = [tuple(n // m for n, m in zip(x.shape[2:], y.shape[2:], strict=True)) for y in found]
    assert list(output_ratios(network)) == expected


def test_ratios_are_per_axis_and_the_network_is_left_as_it_is() -> None:
    network = create_network(configure_network("unet3p", ANISOTROPIC, equalize="explicit"))
    assert output_ratios(network) == ((1, 1, 1), (1, 2, 2), (2, 4, 4))
    assert network.training
    assert {p.device.type for p in network.parameters()} == {"cpu"}


def test_selected_outputs_are_those_of_the_network() -> None:
    network = create_network(configure_network("fpn", FIVE_LEVELS[2])).eval()
    x = torch.randn(1, 1, 32, 64)
    with torch.no_grad():
        best, coarse = SelectedOutputs(network, (0, 2))(x)
        assert torch.equal(best, network(x))
        assert torch.equal(coarse, network.scales(x)[2])
