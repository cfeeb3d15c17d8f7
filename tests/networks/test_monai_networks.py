"""MONAI's networks keep what they compute and get the contract of this package."""

import importlib.util

import pytest
import torch
from monai.networks import nets
from torch import nn

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import Topology, configure_network, create_network
from napari_ziggurat.networks.monai_network import MonaiNetwork
from pyramids import ANISOTROPIC, FIVE_LEVELS, PLANE, pyramid

NORM = ("batch", {"affine": True})


def make(name: str, topology: Topology, **changes: object) -> MonaiNetwork:
    torch.manual_seed(0)
    config = configure_network(name, topology)
    return create_network(type(config).model_validate(config.model_dump() | changes))


def test_unetpps_best_output_comes_first() -> None:
    network = make("monai_basic_unetpp", FIVE_LEVELS[2]).eval()
    x = torch.randn(1, 1, 32, 16)
    with torch.no_grad():
        worst, *_, best = network.network(x)
        scales = network.scales(x)
        assert torch.equal(network(x), best)
    assert len(scales) == 4
    assert torch.equal(scales[-1], worst)


def test_outputs_that_are_not_supervised_have_no_parameters() -> None:
    network = make("monai_basic_unetpp", FIVE_LEVELS[2], supervised=2)
    sum(each.sum() for each in network(torch.randn(2, 1, 16, 16))).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_dynunet_computes_what_monais_does() -> None:
    network = make("monai_dynunet", ANISOTROPIC)
    topology = ANISOTROPIC
    theirs = nets.DynUNet(
        3, 2, 2, topology.kernels, topology.strides, topology.strides[1:],
        filters=topology.features, norm_name=NORM, deep_supervision=True,
    )  # fmt: skip
    theirs.load_state_dict(network.network.state_dict(), strict=False)
    x = torch.randn(2, 2, 4, 8, 12)
    stacked, ours = theirs(x).unbind(1), network.scales(x)
    assert [each.shape[2:] for each in ours] == [(4, 8, 12), (4, 4, 6)]
    for one, other in zip(ours, stacked, strict=True):
        torch.testing.assert_close(nn.functional.interpolate(one, (4, 8, 12)), other)


def test_segresnet_computes_what_monais_does() -> None:
    network = make("monai_segresnet", ANISOTROPIC)
    x = torch.randn(2, 2, 4, 8, 12)
    assert network.network.shape_factor() == list(ANISOTROPIC.total_stride)
    for one, other in zip(network.scales(x), network.network(x), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("norm", ["instance", "group"])
@pytest.mark.parametrize("name", ["monai_basic_unetpp", "monai_dynunet", "monai_segresnet"])
def test_other_norms(name: str, norm: str) -> None:
    network = make(name, FIVE_LEVELS[2], norm=norm)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    assert network(torch.randn(1, 1, 40, 36))[0].shape == (1, 3, 40, 36)


def test_swin_unetr_has_its_own_six_levels() -> None:
    config = configure_network("monai_swin_unetr", PLANE)
    assert config.topology.features == (12, 12, 24, 48, 96, 192)
    assert config.topology.levels == 6
    assert config.stride == (32, 32)


def test_swin_unetr_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configure_network("monai_swin_unetr", PLANE)
    monkeypatch.setattr("napari_ziggurat.networks.monai_network.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install einops"):
        create_network(config)


def changed(**values: object) -> Topology:
    return Topology.model_validate(PLANE.model_dump() | values)


@pytest.mark.parametrize(
    ("name", "topology", "what"),
    [
        ("monai_basic_unet", PLANE, "five levels and halves every axis at each; here are 3"),
        ("monai_basic_unetpp", ANISOTROPIC, "'monai_dynunet' takes strides of any kind"),
        ("monai_swin_unetr", ANISOTROPIC, "halves every axis at each level; here are strides"),
        ("monai_swin_unetr", pyramid(2, 7), "has 6 levels, and 7 were asked for"),
        ("monai_segresnet", changed(strides=((1, 1), (2, 2), (1, 2))), "coarse axes from one"),
        ("monai_segresnet", changed(strides=((1, 1), (1, 1), (2, 2))), "coarse axes from one"),
        ("monai_dynunet", changed(kernels=((1, 1),) * 3, strides=((1, 1), (3, 3), (2, 2))),
         "cannot step by"),
        ("monai_attention_unet", changed(features=(1, 2, 4)), "levels of 2 or more features"),
    ],
)  # fmt: skip
def test_pyramids_that_a_design_cannot_have_are_refused(
    name: str, topology: Topology, what: str
) -> None:
    with pytest.raises(InputError, match=what):
        configure_network(name, topology)


@pytest.mark.parametrize(
    ("name", "changes", "what"),
    [
        ("monai_attention_unet", {"norm": "instance"}, "has batch norm and cannot have"),
        ("monai_segresnet", {"topology": PLANE}, "doubles its features"),
        ("monai_swin_unetr", {"topology": pyramid(2, 6)}, "has features such as"),
        ("monai_dynunet", {"topology": changed(features=(4, 8), strides=((1, 1), (2, 2)),
                                               kernels=((3, 3),) * 2)}, "3 or more levels"),
    ],
)  # fmt: skip
def test_settings_that_a_design_cannot_have_are_refused(
    name: str, changes: dict[str, object], what: str
) -> None:
    config = configure_network(name, PLANE)
    with pytest.raises(ValueError, match=what):
        type(config).model_validate(config.model_dump() | changes)


@pytest.mark.skipif(importlib.util.find_spec("einops") is None, reason="needs einops")
def test_swin_unetr_computes_what_monais_does() -> None:
    network = make("monai_swin_unetr", FIVE_LEVELS[2]).eval()
    x = torch.randn(1, 1, 32, 64)
    with torch.no_grad():
        assert torch.equal(network(x), network.network(x))
