"""Pyramid necks against their papers: FPN and its family, BiFPN, NAS-FPN, recursive FPN."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7
from torch import nn

from napari_ziggurat.networks import create_network
from napari_ziggurat.networks.blocks import resize
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.encoders import HRNetEncoderConfig, ResidualEncoderConfig
from napari_ziggurat.networks.fusion import WeightedSumFuse
from napari_ziggurat.networks.heads import FPNHeadConfig
from napari_ziggurat.networks.necks import (
    BiFPNConfig,
    FPNConfig,
    NasFPNConfig,
    NoNeckConfig,
    PyramidNeckConfig,
    RecursiveFPNConfig,
)
from napari_ziggurat.networks.necks.fpn import AlignedUpsample
from napari_ziggurat.networks.necks.genotype import PUBLISHED, Cell, fault, generic, mutate
from napari_ziggurat.networks.necks.nas_fpn import CellStack, loose_ends
from napari_ziggurat.networks.parts import Style
from pyramids import encoded, pyramid


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("coarser", [0, 2])
def test_fpn_equals_monais(dims: int, coarser: int) -> None:
    torch.manual_seed(0)
    topology = pyramid(dims)
    ours = FPNConfig(channels=5, coarser=coarser).build(topology, Style(dims))
    extra = LastLevelP6P7(dims, 5, 5) if coarser else None
    theirs = FeaturePyramidNetwork(dims, list(topology.features), 5, extra)
    theirs_in_order = [*theirs.inner_blocks, *theirs.layer_blocks]
    theirs_in_order += [extra.p6, extra.p7] if extra else []
    ours_in_order = [*ours.laterals, *ours.outputs, *ours.coarser.convs]
    for our, their in zip(ours_in_order, theirs_in_order, strict=True):
        our.conv.load_state_dict(their.state_dict())
    features = encoded(topology, 16)
    expected = theirs(OrderedDict((str(level), x) for level, x in enumerate(features)))
    for found, other in zip(ours(features), expected.values(), strict=True):
        torch.testing.assert_close(found, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(8, 12), (4, 8, 6)])
def test_alignment_starts_as_linear_upsampling(size: tuple[int, ...]) -> None:
    up = AlignedUpsample(3, (3,) * len(size))
    coarse, finer = torch.randn(2, 3, *(n // 2 for n in size)), torch.randn(2, 3, *size)
    torch.testing.assert_close(up(coarse, finer), resize(coarse, size), atol=1e-5, rtol=0)


def test_flow_is_in_voxels_of_the_finer_grid_and_in_the_order_of_the_axes() -> None:
    up = AlignedUpsample(1, (3, 3, 3))
    up.flow.bias.data = torch.tensor([0.0, 2.0, -4.0])
    coarse = torch.randn(1, 1, 4, 8, 8)
    found = up(coarse, torch.zeros(1, 1, 8, 16, 16))
    moved = resize(torch.roll(coarse, (-1, 2), dims=(3, 4)), (8, 16, 16))
    inside = (..., slice(1, 12), slice(6, 15))  # what lies outside is the border repeated
    torch.testing.assert_close(found[inside], moved[inside], atol=1e-5, rtol=0)


def test_weights_of_bifpn_are_normalised_and_positive() -> None:
    fuse = WeightedSumFuse(3, Style(2))
    fuse.weight.data = torch.tensor([1.0, -2.0, 3.0])
    torch.testing.assert_close(fuse.shares, torch.tensor([1.0, 0.0, 3.0]) / 4.0001)
    ones = [torch.full((1, 1, 2, 2), value) for value in (1.0, 100.0, 2.0)]
    torch.testing.assert_close(fuse(ones), torch.full((1, 1, 2, 2), 7 / 4.0001))


def test_bifpn_goes_down_and_up() -> None:
    neck = BiFPNConfig(channels=1, repeats=1).build(pyramid(2), Style(2))
    layer = neck.layers[0]
    for node in [*layer.down, *layer.up]:
        node[1] = nn.Identity()
    a, b, c = 4.0, 8.0, 16.0
    features = [torch.full((1, 1, n, n), v) for n, v in ((8, a), (4, b), (2, c))]
    middle = (b + c) / 2
    fine = (a + middle) / 2
    out = (b + fine + middle) / 3
    expected = [fine, out, (c + out) / 2]
    found = [float(x.detach().mean()) for x in layer(features)]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_cells_of_nas_fpn_are_computed_in_their_order() -> None:
    stack = CellStack(pyramid(2, 5), Style(2), 1, PUBLISHED)
    for cell in stack.cells:
        cell.conv = nn.Identity()
    sizes = [16, 8, 4, 2, 1]
    p3, p4, p5, p6, p7 = (torch.randn(1, 1, n, n) for n in sizes)

    def up(x: torch.Tensor, n: int) -> torch.Tensor:
        return x.repeat_interleave(n, 2).repeat_interleave(n, 3)

    def down(x: torch.Tensor, n: int) -> torch.Tensor:
        return torch.nn.functional.max_pool2d(x, n)

    def gp(x1: torch.Tensor, x2: torch.Tensor) -> torch.Tensor:
        return x2 + torch.sigmoid(x2.mean()) * x1

    p4a = gp(up(p6, 4), p4)
    p4b = p4a + p4
    out3 = up(p4b, 2) + p3
    out4 = down(out3, 2) + p4b
    out5 = p5 + gp(down(out4, 2), down(out3, 4))
    out7 = p7 + gp(down(out5, 4), down(p4b, 8))
    out6 = gp(up(out7, 2), down(out5, 2))
    for found, expected in zip(
        stack([p3, p4, p5, p6, p7]), (out3, out4, out5, out6, out7), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_nodes_that_no_cell_reads_are_added_to_their_level() -> None:
    genotype = (Cell("sum", 1, 0, 0), Cell("sum", 1, 0, 0), Cell("sum", 3, 1, 1))
    assert loose_ends(genotype, 2) == [[], [2], []]
    stack = CellStack(pyramid(2, 2), Style(2), 1, genotype)
    for cell in stack.cells:
        cell.conv = nn.Identity()
    fine, _ = stack([torch.full((1, 1, 4, 4), 1.0), torch.full((1, 1, 2, 2), 2.0)])
    assert (fine == 6.0).all()


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 7])
def test_mutants_are_valid_and_differ_in_one_cell(levels: int) -> None:
    rng = np.random.default_rng(levels)
    genotype = generic(levels)
    assert fault(genotype, levels) is None
    for _ in range(200):
        mutant = mutate(genotype, rng, levels)
        assert fault(mutant, levels) is None
        assert sum(a != b for a, b in zip(genotype, mutant, strict=True)) == 1
        genotype = mutant


def test_every_parameter_of_a_mutant_learns() -> None:
    torch.manual_seed(0)
    rng, topology = np.random.default_rng(0), pyramid(2)
    genotype = generic(3)
    for _ in range(5):
        genotype = mutate(genotype, rng, 3)
    neck = NasFPNConfig(genotype=genotype, repeats=2).build(topology, Style(2))
    sum(x.square().sum() for x in neck(encoded(topology, 16))).backward()
    assert all(p.grad is not None and p.grad.any() for p in neck.parameters())


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ([("sum", 2, 4, 0), ("sum", 3, 1, 1), ("gp", 4, 2, 2)], "node 4, which does not exist"),
        ([("max", 2, 1, 0), ("sum", 3, 1, 1), ("gp", 4, 2, 2)], "'max'; there are sum and gp"),
        ([("sum", 2, 2, 0), ("sum", 3, 1, 1), ("gp", 4, 2, 2)], "node 2 with itself"),
        ([("sum", 2, 1, 3), ("sum", 3, 1, 1), ("gp", 4, 2, 2)], "the levels are 0 to 2"),
        ([("sum", 2, 1, 0), ("sum", 3, 1, 1)], "no cell makes an output for level 2"),
    ],
)
def test_impossible_genotypes_are_refused(cells: list[tuple[object, ...]], what: str) -> None:
    neck = {"kind": "nas_fpn", "genotype": cells}
    with pytest.raises(ValueError, match=what):
        ComposedConfig(name="", topology=pyramid(2), neck=neck, head=FPNHeadConfig())


@pytest.mark.parametrize(
    "neck",
    [
        FPNConfig(coarser=2),
        FPNConfig(coarser=1, bottom_up=True, coarser_by="maxpool"),
        RecursiveFPNConfig(coarser=1),
        BiFPNConfig(coarser=2, repeats=1),
        NasFPNConfig(coarser=2, repeats=1, coarser_by="maxpool"),
    ],
    ids=lambda neck: f"{neck.kind}-{neck.coarser_by}",
)
def test_coarser_levels_widen_the_padding(neck: PyramidNeckConfig) -> None:
    torch.manual_seed(0)
    config = ComposedConfig(name="", topology=pyramid(2), neck=neck, head=FPNHeadConfig())
    assert config.stride == (4 * 2**neck.coarser,) * 2
    network = create_network(config)
    assert len(network.neck.channels) == 3 + neck.coarser
    logits = network(torch.randn(2, 1, 37, 19))
    assert all(each.shape[2:] == (37, 19) for each in logits)
    sum(each.square().sum() for each in logits).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    with torch.no_grad():
        assert network.eval()(torch.randn(1, 1, 37, 19)).shape[2:] == (37, 19)


def test_feedback_goes_between_the_blocks_of_a_stage() -> None:
    encoder = ResidualEncoderConfig(blocks=2).build(pyramid(2), Style(2)).eval()
    first, second = encoder.stages[1]
    feedback = [torch.randn(1, n, 16 // 2**i, 16 // 2**i) for i, n in enumerate((4, 5, 6))]
    encoder.stages[0] = nn.Sequential(nn.Identity())
    with torch.no_grad():
        found = encoder(torch.zeros(1, 4, 16, 16), feedback)
        expected = second(first(feedback[0]) + feedback[1])
    torch.testing.assert_close(found[1], expected)


def test_the_second_pass_sees_the_first_and_the_gate_chooses() -> None:
    torch.manual_seed(0)
    neck = RecursiveFPNConfig(channels=4)
    network = create_network(ComposedConfig(name="", topology=pyramid(2), neck=neck)).eval()
    x = torch.randn(1, 1, 16, 16)

    def finest(gate: float) -> torch.Tensor:
        network.neck.gate.bias.data.fill_(gate)
        features = network.neck(network.encoder(x))
        return network.neck.refine(features, lambda given: network.encoder(x, given))[0]

    with torch.no_grad():
        first = network.neck(network.encoder(x))[0]
        second = finest(100.0)
        torch.testing.assert_close(finest(-100.0), first)
        torch.testing.assert_close(finest(0.0), (first + second) / 2)
        assert (second - first).abs().max() > 1e-3
        torch.testing.assert_close(network(x), network.classifiers[0]((first + second) / 2))


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"neck": RecursiveFPNConfig(), "encoder": HRNetEncoderConfig()}, "encoder 'hrnet' takes"),
        ({"neck": FPNConfig(coarser=1), "topology": pyramid(2, 1)}, "set coarser to 0"),
        ({"neck": NasFPNConfig(), "topology": pyramid(2, 1)}, "the pyramid has one"),
        ({"neck": FPNConfig(), "equalize": "explicit"}, "equalize_sums lets them act"),
        ({"neck": NoNeckConfig(), "equalize": "explicit"}, "none of encoder 'residual', neck "),
        ({"equalize": "initialisation", "equalize_sums": True}, "no weights of their own"),
        ({"neck": FPNConfig(), "upsampling": "deconv"}, "neck 'fpn' resizes in its own way"),
    ],
)
def test_what_does_not_fit_is_refused(parts: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        ComposedConfig(**{"name": "", "topology": pyramid(2)} | parts)


@pytest.mark.parametrize(
    ("dims", "features", "width"),
    [(2, (32, 64, 128, 256), 128), (2, (16, 32, 64), 64), (3, (32, 64, 128), 64), (2, (4, 6), 6)],
)
def test_width_is_what_the_finest_grid_bears(
    dims: int, features: tuple[int, ...], width: int
) -> None:
    topology = pyramid(dims, len(features)).with_features(features)
    assert FPNConfig().build(topology, Style(dims)).channels == (width,) * len(features)
    assert FPNConfig(channels=3).build(topology, Style(dims)).channels == (3,) * len(features)
