"""Statistics of batch norm are those of the data, and folding changes nothing."""

import pytest
import torch
from monai.networks.blocks import Convolution
from monai.networks.blocks.dynunet_block import UnetBasicBlock, UnetResBlock
from monai.networks.nets.efficientnet import MBConvBlock
from monai.networks.nets.resnet import ResNetBlock, ResNetBottleneck
from torch import nn

from napari_ziggurat.networks import Topology, configure_network, create_network, list_networks
from napari_ziggurat.networks.norms import fold_batch_norm, kept_norms, reestimate_statistics
from pyramids import FIVE_LEVELS

ISOTROPIC = {"monai_basic_unet", "monai_basic_unetpp", "monai_swin_unetr"}
TOPOLOGY = Topology(
    dims=2, in_channels=1, out_channels=2, features=(4, 8),
    strides=((1, 1), (2, 2)), kernels=((3, 3),) * 2,
)  # fmt: skip


def test_reestimated_statistics_bring_evaluation_nearer_to_training() -> None:
    torch.manual_seed(0)
    network = create_network(configure_network("unet", TOPOLOGY))
    batches = [3 + 2 * torch.randn(4, 1, 16, 16) for _ in range(8)]

    def distance() -> float:
        with torch.no_grad():
            saved = {k: v.clone() for k, v in network.state_dict().items()}
            in_training = network.train()(batches[0])[0]
            network.load_state_dict(saved)
            return float((network.eval()(batches[0]) - in_training).abs().mean())

    before = distance()
    reestimate_statistics(network, batches)
    assert distance() < 0.2 * before


def test_first_norm_holds_the_mean_of_its_input() -> None:
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(1))
    batches = [torch.full((1, 1, 2, 2), float(v)) + torch.tensor([[0.0, 1.0]]) for v in (1, 2, 6)]
    reestimate_statistics(network, batches)
    assert network[0].running_mean.item() == torch.stack(batches).mean().item()


def test_folding_changes_outputs_by_rounding_only() -> None:
    torch.manual_seed(0)
    network = create_network(configure_network("residual_unet", TOPOLOGY))
    reestimate_statistics(network, [torch.randn(4, 1, 16, 16) for _ in range(4)])
    x = torch.randn(1, 1, 20, 20)
    with torch.no_grad():
        before = network.eval()(x)
        after = fold_batch_norm(network)(x)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    torch.testing.assert_close(after, before, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "network",
    [
        ResNetBlock(3, 3, 2),
        ResNetBottleneck(12, 3, 2),
        MBConvBlock(2, 12, 12, 3, 1, [8, 8], 6, 0.25),
        nn.Sequential(nn.Conv2d(12, 5, 3), nn.BatchNorm2d(5), nn.ReLU()),
        nn.Sequential(nn.ConvTranspose2d(12, 5, 2, stride=2), nn.BatchNorm2d(5)),
        nn.Sequential(Convolution(2, 12, 5, conv_only=True), nn.BatchNorm2d(5)),
        Convolution(2, 12, 5, adn_ordering="NDA", norm="batch", is_transposed=True, strides=2),
        UnetBasicBlock(2, 12, 12, 3, 1, "batch"),
        UnetResBlock(2, 12, 5, 3, 2, "batch"),
    ],
)
def test_norms_beside_their_convolutions_are_folded(network: nn.Module) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3 if isinstance(network, ResNetBlock) else 12, 8, 8)
    reestimate_statistics(network, [x])
    with torch.no_grad():
        before = network.eval()(x)
        after = fold_batch_norm(network)(x)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    torch.testing.assert_close(after, before, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 5, 3)),
        nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.BatchNorm2d(5)),
        Convolution(2, 3, 5, norm="batch", adn_ordering="AN"),
    ],
)
def test_norms_that_do_not_follow_a_convolution_are_left(network: nn.Module) -> None:
    fold_batch_norm(network)
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_batch_norm_of_all_networks_is_folded_but_where_it_comes_first() -> None:
    kept: dict[str, list[str]] = {}
    for info in list_networks():
        topology = FIVE_LEVELS[2] if info.name in ISOTROPIC else TOPOLOGY.extended(1)
        with torch.device("meta"):
            network = create_network(configure_network(info.name, topology)).eval()
        kept[info.name] = kept_norms(fold_batch_norm(network))
    found = {name for name, reasons in kept.items() if any("batch norm" in r for r in reasons)}
    assert found == {"monai_segresnet"}  # norm and activation come before its convolutions


@pytest.mark.parametrize(
    ("norm", "reason"),
    [
        (nn.InstanceNorm2d(4), "instance norm is kept: its statistics are those of each image"),
        (nn.GroupNorm(2, 4), "group norm is kept: its statistics are those of each image"),
        (nn.LayerNorm(4), "layer norm is kept: its statistics are those of each voxel"),
    ],
)
def test_norms_that_cannot_be_folded_are_told_with_the_reason(norm: nn.Module, reason: str) -> None:
    network = fold_batch_norm(nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), norm))
    (said,) = kept_norms(network)
    assert said.startswith(reason)
