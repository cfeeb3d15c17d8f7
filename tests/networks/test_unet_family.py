"""U-Net, UNet++ and its pruning, UNet 3+, Attention U-Net: what sets each apart."""

import pytest
import torch
from torch import nn

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import Topology, configure_network, create_network
from napari_ziggurat.networks.blocks import pixel_shuffle
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.contexts import ASPPConfig
from napari_ziggurat.networks.encoders import PlainEncoderConfig
from napari_ziggurat.networks.necks import NestedUNetNeckConfig, UNet3PlusNeckConfig
from napari_ziggurat.networks.necks.unet import AttentionGate
from napari_ziggurat.networks.parts import Style
from napari_ziggurat.networks.pruning import prune
from pyramids import ANISOTROPIC, PLANE

FAMILY = ["unet", "residual_unet", "wide_unet", "unetpp", "unet3p", "attention_unet"]
SIZES = [(PLANE, (24, 16)), (ANISOTROPIC, (4, 16, 12))]


def make(name: str, topology: Topology, **changes: object) -> nn.Module:
    torch.manual_seed(0)
    return create_network(configure_network(name, topology).model_copy(update=changes))


@pytest.mark.parametrize("upsampling", ["deconv", "pixelshuffle"])
@pytest.mark.parametrize(("topology", "size"), SIZES)
@pytest.mark.parametrize("name", FAMILY)
def test_learned_upsampling_works(
    name: str, topology: Topology, size: tuple[int, ...], upsampling: str
) -> None:
    network = make(name, topology, upsampling=upsampling)
    logits = network(torch.randn(2, topology.in_channels, *size))
    sum(each.square().sum() for each in logits).backward()
    assert all(each.shape[2:] == size for each in logits)
    assert all(p.grad.any() for p in network.parameters())


def test_pixel_shuffle_is_torchs_in_2d() -> None:
    x = torch.randn(2, 12, 5, 3)
    assert torch.equal(pixel_shuffle(x, (2, 2)), nn.PixelShuffle(2)(x))


def test_pixel_shuffle_by_hand_in_3d() -> None:
    x = torch.randn(2, 2 * 6, 3, 4, 5)
    y = pixel_shuffle(x, (1, 2, 3))
    assert y.shape == (2, 2, 3, 8, 15)
    for channel in range(2):
        for row in range(2):
            for column in range(3):
                given = x[:, channel * 6 + row * 3 + column]
                assert torch.equal(y[:, channel, :, row::2, column::3], given)


@pytest.mark.parametrize(("topology", "size"), SIZES)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_pruned_network_gives_the_column_of_its_depth(
    topology: Topology, size: tuple[int, ...], depth: int
) -> None:
    network = make("unetpp", topology, context=ASPPConfig()).eval()
    pruned = prune(network, depth)
    assert pruned.stride == topology.ratio(0, depth)
    assert pruned.config.topology.levels == depth + 1
    x = torch.randn(1, topology.in_channels, *size)
    with torch.no_grad():
        columns = network.scales(x)  # deepest first
        torch.testing.assert_close(pruned(x), columns[2 - depth])
    given, kept = dict(network.named_parameters()), dict(pruned.named_parameters())
    assert all(kept[key].data_ptr() == given[key].data_ptr() for key in kept if "class" not in key)
    again = ComposedConfig.model_validate_json(pruned.config.model_dump_json())
    create_network(again).load_state_dict(pruned.state_dict(), strict=True)


def test_a_pruned_network_can_be_pruned_again() -> None:
    network = make("unetpp", PLANE).eval()
    x = torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(prune(prune(network, 2), 1)(x), prune(network, 1)(x))


@pytest.mark.parametrize("name", ["residual_unet", "unet3p", "monai_dynunet"])
def test_other_networks_are_not_pruned(name: str) -> None:
    with pytest.raises(InputError, match=r"cannot be pruned. Only a UNet\+\+"):
        prune(make(name, PLANE), 1)


@pytest.mark.parametrize(("supervised", "depth"), [(2, 0), (2, 3), (1, 1)])
def test_depths_that_there_are_not_are_refused(supervised: int, depth: int) -> None:
    least = 3 - supervised
    with pytest.raises(InputError, match=f"to a depth of {least} to 2; {depth} was asked for"):
        prune(make("unetpp", PLANE, supervised=supervised), depth)


def test_attention_gate_is_the_papers_formula() -> None:
    torch.manual_seed(0)
    gate = AttentionGate(Style(2), (6, 10), (1, 1)).eval()
    skip, below = torch.randn(1, 6, 5, 4), torch.randn(1, 10, 5, 4)

    def mapped(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        weight = module.conv.weight[:, :, 0, 0] / (1 + 1e-5) ** 0.5  # of a fresh batch norm
        return torch.einsum("oc,nchw->nohw", weight, x)

    joined = torch.relu(mapped(gate.from_skip, skip) + mapped(gate.from_below, below))
    psi = torch.einsum("oc,nchw->nohw", gate.psi.weight[:, :, 0, 0], joined)
    expected = skip * torch.sigmoid(psi + gate.psi.bias[:, None, None])
    with torch.no_grad():
        torch.testing.assert_close(gate(skip, below), expected)


def test_attention_coefficients_come_from_the_coarser_grid() -> None:
    gate = AttentionGate(Style(3), (4, 6), (1, 2, 2))
    found = gate.coefficients(torch.randn(2, 4, 3, 8, 6), torch.randn(2, 6, 3, 4, 3))
    assert found.shape == (2, 1, 3, 8, 6)
    assert 0 < found.min() < found.max() < 1


def test_the_finest_skip_is_not_gated() -> None:
    assert list(make("attention_unet", PLANE).neck.gates) == ["1"]
    with pytest.raises(InputError, match="at least 3 levels and the pyramid has 2"):
        configure_network("attention_unet", _shallow(2))


def test_a_guided_network_scales_every_output_by_one_factor_per_window() -> None:
    topology = PLANE
    style = Style(2)
    torch.manual_seed(0)
    neck = UNet3PlusNeckConfig(guided=True).build(topology, style).eval()
    features = [torch.randn(2, n, 16 // 2**i, 16 // 2**i) for i, n in enumerate((4, 6, 8))]
    with torch.no_grad():
        guided = neck(features)
        factor = torch.sigmoid(neck.presence(features[-1]).flatten(2).amax(2))[..., None, None]
        neck.presence = None
        for one, other in zip(guided, neck(features), strict=True):
            torch.testing.assert_close(one, factor * other)


@pytest.mark.parametrize("neck", [NestedUNetNeckConfig(), UNet3PlusNeckConfig()])
def test_one_level_has_nothing_to_join(neck: object) -> None:
    with pytest.raises(ValueError, match="joins levels and the pyramid has one"):
        ComposedConfig(name="flat", topology=_shallow(1), neck=neck)


def test_max_pooling_keeps_maxima_and_has_the_same_parameters() -> None:
    with_pooling, without = (
        create_network(
            ComposedConfig(name="u", topology=PLANE, encoder=PlainEncoderConfig(pooling=how))
        )
        for how in ("max", "stride")
    )
    pools = [m for m in with_pooling.modules() if isinstance(m, nn.MaxPool2d)]
    assert [pool.kernel_size for pool in pools] == [(2, 2), (2, 2)]
    sizes = [[p.shape for p in network.parameters()] for network in (with_pooling, without)]
    assert sizes[0] == sizes[1]


def _shallow(levels: int) -> Topology:
    given = {k: getattr(PLANE, k)[:levels] for k in ("features", "strides", "kernels")}
    return PLANE.model_copy(update=given)
