"""The contract of all networks, in 2D and 3D, for odd sizes and anisotropic pyramids."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file, save_file
from torch import nn

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import (
    AnyNetworkConfig,
    Topology,
    configure_network,
    create_network,
    list_networks,
)
from napari_ziggurat.networks.norms import fold_batch_norm, reestimate_statistics
from napari_ziggurat.networks.registry import register_network
from pyramids import ANISOTROPIC, FIVE_LEVELS, PLANE, seen

CASES = [(PLANE, (1, 1, 51, 37)), (ANISOTROPIC, (2, 2, 9, 35, 26)), (PLANE, (2, 1, 1, 1))]
NAMES = [info.name for info in list_networks()]

# MONAI's networks that halve every axis, and how often.
ISOTROPIC = {"monai_basic_unet", "monai_basic_unetpp", "monai_swin_unetr"}
EXTRAS = {"monai_swin_unetr": "einops"}

# Names of parameters that get no gradient but rounding, with the reason. Where one image is
# the whole batch; a bias before a norm in any batch.
_IMAGE_LEVEL = "constant over a batch of one image, and the batch norm that follows subtracts it"
IDLE = {
    "monai_attention_unet": (r"network\.model\.[01]\.\S+\.conv\.bias",
                             "the batch norm that follows subtracts them"),
    "unet_aspp": (r"context\.branches\.4\.project\.conv\.\w+", _IMAGE_LEVEL),
    "unet_sep_aspp": (r"context\.branches\.4\.project\.conv\.\w+", _IMAGE_LEVEL),
    "deeplabv3p": (r"head\.aspp\.branches\.4\.project\.conv\.\w+", _IMAGE_LEVEL),
    "recursive_fpn": (r"neck\.feedback\.\d\.branches\.3\.project\.conv\.\w+", _IMAGE_LEVEL),
    "se_unet": (r"encoder\.stages\.\d\.0\.squeeze\.fc\.0\.weight",
                "the mean over one image of what batch norm gives is its bias, which starts at 0"),
}  # fmt: skip


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each network by name, but those that need what is not installed."""
    extra = EXTRAS.get(request.param)
    if extra is not None and find_spec(extra) is None:
        pytest.skip(f"needs {extra}")
    torch.manual_seed(0)
    return str(request.param)


def build(name: str, topology: Topology) -> nn.Module:
    """Make a network, on five levels where it cannot have others."""
    if name in ISOTROPIC:
        topology = FIVE_LEVELS[topology.dims]
    return create_network(configure_network(name, topology))


def without_gradient(network: nn.Module) -> list[str]:
    """Name the parameters whose gradient is nothing beside the largest there is."""
    named = dict(network.named_parameters())
    sizes = {k: 0.0 if p.grad is None else float(p.grad.abs().max()) for k, p in named.items()}
    return [k for k, size in sizes.items() if size < 1e-14 * max(sizes.values())]


@pytest.mark.parametrize(("topology", "shape"), CASES)
def test_contract(name: str, topology: Topology, shape: tuple[int, ...]) -> None:
    slow = topology.dims == 3 and name in ISOTROPIC
    dtype = torch.float32 if slow else torch.float64  # rounding is far below what is learned
    network, x = build(name, topology).to(dtype), torch.randn(shape, dtype=dtype)
    inputs = seen(network, x)
    logits = network.train()(*inputs)
    assert isinstance(logits, list)
    assert 1 <= len(logits) <= network.config.supervised
    expected = (shape[0], topology.out_channels, *shape[2:])
    assert all(each.shape == expected for each in logits)
    sum(each.square().sum() for each in logits).backward()
    if max(shape[2:]) > 1:  # of a single voxel norms leave next to nothing to learn from
        idle = re.compile(IDLE[name][0] if name in IDLE else "none")
        assert [k for k in without_gradient(network) if not idle.fullmatch(k)] == []
    with torch.no_grad():
        assert network.eval()(*inputs).shape == expected
        scales = network.scales(*inputs)
    assert len(scales) == len(logits)


@pytest.mark.parametrize(("topology", "shape"), CASES[:2])
def test_reduced_precision_works_in_training_and_evaluation(
    name: str, topology: Topology, shape: tuple[int, ...]
) -> None:
    network = build(name, topology)
    inputs = seen(network, torch.randn(shape))
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.train()(*inputs)
    sum(each.float().square().sum() for each in logits).backward()
    with torch.no_grad():
        halved = (each.bfloat16() for each in inputs)
        assert network.eval().bfloat16()(*halved).dtype == torch.bfloat16


@pytest.mark.parametrize(("topology", "shape"), CASES[:2])
def test_saved_reloaded_and_folded_it_computes_the_same(
    name: str, topology: Topology, shape: tuple[int, ...], tmp_path: Path
) -> None:
    network = build(name, topology)
    inputs = seen(network, torch.randn(shape))
    reestimate_statistics(network, [seen(network, torch.randn(2, *shape[1:]))])
    save_file(network.state_dict(), tmp_path / "weights")
    adapter = TypeAdapter(AnyNetworkConfig)
    config = adapter.validate_json(adapter.dump_json(network.config))
    assert config == network.config
    again = create_network(config)
    again.load_state_dict(load_file(tmp_path / "weights"), strict=True)
    with torch.no_grad():
        expected = network.eval()(*inputs)
        assert torch.equal(again.eval()(*inputs), expected)
        folded = fold_batch_norm(again)(*inputs)
    torch.testing.assert_close(folded, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("topology", "shape"), CASES[:2])
def test_one_step_lowers_the_loss(name: str, topology: Topology, shape: tuple[int, ...]) -> None:
    network = build(name, topology).train()
    inputs = seen(network, torch.randn(shape))
    target = (inputs[0][:, 0] > 0).long()

    def loss() -> torch.Tensor:
        return sum(nn.functional.cross_entropy(each, target) for each in network(*inputs))

    before = loss()
    before.backward()
    slope = sum(p.grad.square().sum() for p in network.parameters() if p.grad is not None)
    rate = 0.01 * before.item() / slope.item()  # one percent, were the loss a plane
    torch.optim.SGD(network.parameters(), rate).step()
    with torch.no_grad():
        assert loss() < before


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
@pytest.mark.parametrize("name", ["unet", "unet3p", "upernet", "hrnet", "monai_dynunet"])
@pytest.mark.parametrize("size", [1, 3])
def test_one_image_that_is_one_coarse_voxel_teaches_and_is_predicted(
    size: int, name: str, norm: str
) -> None:
    torch.manual_seed(0)
    config = configure_network(name, PLANE)
    network = create_network(config.model_copy(update={"norm": norm}))
    x = torch.randn(1, 1, size, size)
    sum(each.square().sum() for each in network.train()(x)).backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())
    with torch.no_grad():
        for logits in (network.eval()(x), *network.train()(x)):
            assert logits.shape == (1, 3, size, size)
            assert logits.isfinite().all()


def test_the_caller_never_sees_the_padding() -> None:
    torch.manual_seed(0)
    network = create_network(configure_network("unet", PLANE)).eval()
    x = torch.randn(1, 1, 30, 33)
    by_hand = torch.nn.functional.pad(x, (0, 3, 0, 2), mode="replicate")
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(by_hand)[..., :30, :33])


@pytest.mark.parametrize("name", ["unet", "monai_dynunet"])
def test_the_shift_is_added_to_what_is_predicted_and_not_to_what_is_taught(name: str) -> None:
    network = build(name, PLANE).eval()
    x, shift = torch.randn(2, 1, 16, 16), torch.tensor([0.5, -1.0, 2.0])
    with torch.no_grad():
        plain = [network(x), *network.scales(x)]
        network.shift.copy_(shift)
        shifted = [network(x), *network.scales(x)]
        taught = network.train()(x)
        network.shift.zero_()
        taught_without = network(x)
    for with_it, without in zip(shifted, plain, strict=True):
        torch.testing.assert_close(with_it, without + shift.view(1, 3, 1, 1))
    assert all(torch.equal(a, b) for a, b in zip(taught, taught_without, strict=True))


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
