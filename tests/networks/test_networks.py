"""The contract of all networks, in 2D and 3D, for odd sizes and anisotropic pyramids."""

import pytest
import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import Topology, configure_network, create_network, list_networks
from napari_ziggurat.networks.registry import register_network

PLANE = Topology(
    dims=2, in_channels=1, out_channels=3, features=(4, 6, 8),
    strides=((1, 1), (2, 2), (2, 2)), kernels=((3, 3),) * 3,
)  # fmt: skip
ANISOTROPIC = Topology(
    dims=3, in_channels=2, out_channels=2, features=(4, 6, 8),
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)), kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
)  # fmt: skip
CASES = [(PLANE, (51, 37)), (ANISOTROPIC, (5, 19, 26)), (PLANE, (1, 1))]
NAMES = [info.name for info in list_networks()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("topology", "size"), CASES)
def test_contract(name: str, topology: Topology, size: tuple[int, ...]) -> None:
    network = create_network(configure_network(name, topology))
    x = torch.randn(2, topology.in_channels, *size)
    logits = network.train()(x)
    assert isinstance(logits, list)
    assert len(logits) == 2
    assert all(each.shape == (2, topology.out_channels, *size) for each in logits)
    sum(each.square().sum() for each in logits).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    with torch.no_grad():
        out = network.eval()(x)
    assert out.shape == (2, topology.out_channels, *size)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("topology", "size"), CASES[:2])
def test_reduced_precision_works_in_training_and_evaluation(
    name: str, topology: Topology, size: tuple[int, ...]
) -> None:
    network = create_network(configure_network(name, topology))
    x = torch.randn(2, topology.in_channels, *size)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.train()(x)
    sum(each.float().square().sum() for each in logits).backward()
    with torch.no_grad():
        assert network.eval().bfloat16()(x.bfloat16()).dtype == torch.bfloat16


def test_the_caller_never_sees_the_padding() -> None:
    torch.manual_seed(0)
    network = create_network(configure_network("unet", PLANE)).eval()
    x = torch.randn(1, 1, 30, 33)
    by_hand = torch.nn.functional.pad(x, (0, 3, 0, 2), mode="replicate")
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(by_hand)[..., :30, :33])


def test_an_unknown_network_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="residual_unet"):
        configure_network("vnet", PLANE)


def test_a_name_cannot_be_registered_twice() -> None:
    with pytest.raises(InputError, match="registered already"):
        register_network("unet", paper="", summary="")(lambda t: configure_network("unet", t))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"strides": ((1, 1), (2, 2))}, "one entry per level"),
        ({"kernels": ((2, 3),) * 3}, "odd"),
        ({"strides": ((2, 2), (2, 2), (2, 2))}, "first level"),
        ({"kernels": ((3, 3, 3),) * 3}, "one per axis"),
    ],
)
def test_impossible_pyramids_are_refused(change: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Topology.model_validate(PLANE.model_dump() | change)


def test_listing_counts_parameters() -> None:
    counts = {info.name: info.parameters for info in list_networks()}
    assert counts["unet"] > 1_000_000
    assert counts["residual_unet"] > counts["unet"] - 2_000_000
