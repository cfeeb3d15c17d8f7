"""Receptive fields: theoretical ones counted by hand, effective ones of networks that are known."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_ziggurat.networks import Topology, configure_network, create_network
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.encoders import PlainEncoderConfig
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.receptive_field import (
    DRAWS,
    TheoreticalField,
    centre_gradients,
    measure_field,
    size_to_look_at,
    theoretical_field,
)
from pyramids import ANISOTROPIC, pyramid


class Mean(SegmentationNetwork):
    """Every voxel is the mean of a box of (3, 9) pixels around it."""

    def __init__(self) -> None:
        super().__init__(configure_network("unet", pyramid(2, levels=1)))
        self.conv = nn.Conv2d(1, 2, (3, 9), padding=(1, 4), padding_mode="zeros", bias=False)
        nn.init.ones_(self.conv.weight)

    def logits(
        self, x: torch.Tensor, wanted: int, hook: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        return [self.conv(x)]


def field_of(network: SegmentationNetwork, spacing: tuple[float, ...]) -> object:
    theoretical = theoretical_field(network)
    size = size_to_look_at(network, theoretical)
    return measure_field(centre_gradients(network, size), theoretical, spacing)


def test_two_convolutions_of_three_pixels_see_five() -> None:
    network = create_network(configure_network("unet", pyramid(2, levels=1)))
    assert theoretical_field(network) == TheoreticalField((5, 5), (False, False))


def test_a_maximum_is_seen_whole() -> None:
    """2 x 2 pooled, two convolutions of 3 on the coarse grid, two on the fine one, both ways."""
    fields = [
        theoretical_field(
            create_network(
                ComposedConfig(
                    name="test",
                    topology=pyramid(2, levels=2),
                    encoder=PlainEncoderConfig(pooling=pooling),
                    upsampling="deconv",
                )
            )
        ).voxels
        for pooling in ("max", "stride")
    ]
    # 2 out, 2 coarse ones = 4, 2 in on either side; 1 more on the side that a pair reaches over
    assert fields[0] == (18, 18)
    assert fields[1] < fields[0]


def test_flat_kernels_do_not_see_across_and_coarser_levels_see_farther() -> None:
    one, more = (
        theoretical_field(create_network(configure_network("unet", topology))).voxels
        for topology in (pyramid(3, levels=1), ANISOTROPIC)
    )
    assert one == (5, 5, 5)
    assert 5 < more[0] < more[1] == more[2]


def test_a_network_that_looks_at_the_whole_window_has_no_end() -> None:
    pspnet = create_network(configure_network("pspnet", pyramid(2)))
    assert theoretical_field(pspnet).more == (True, True)
    topology = pyramid(2, levels=1)
    instance = create_network(ComposedConfig(name="test", topology=topology, norm="instance"))
    assert theoretical_field(instance).more == (True, True)


def test_radii_are_counted_along_axes_and_measured_in_space() -> None:
    field = field_of(Mean(), (2.0, 0.5))
    assert field.theoretical.voxels == (3, 9)
    assert field.looked_at == (4, 10)
    assert field.larger == (False, False)
    assert field.radius_95 == (1, 4)  # 27 equal values; the corners lie farthest
    assert field.radius_50 == (1, 2)
    assert field.distance_95 == pytest.approx(np.hypot(2, 2))
    assert field.distance_50 == pytest.approx(np.hypot(2, 0.5))
    distance, share = field.energy()
    assert share[np.searchsorted(distance, 2.0) - 1] == pytest.approx(7 / 27)
    assert share[-1] == pytest.approx(1)


def test_what_is_looked_at_is_bounded_and_said_to_be() -> None:
    wide = Topology(
        dims=3, in_channels=1, out_channels=2, features=(32, 64, 128, 256, 320),
        strides=((1, 1, 1), *((2, 2, 2),) * 4), kernels=((3, 3, 3),) * 5,
    )  # fmt: skip
    network = create_network(configure_network("unet", wide))
    size = size_to_look_at(network, TheoreticalField((400, 400, 200), (False,) * 3))
    assert all(n % 16 == 0 for n in size)
    assert size[0] == size[1] > size[2] >= 16
    assert np.prod(size) <= 2**18


def test_a_field_that_was_cut_is_known_as_such() -> None:
    gradients = [np.ones((8, 8))] * DRAWS
    field = measure_field(gradients, TheoreticalField((9, 5), (False, False)), (1.0, 1.0))
    assert field.larger == (True, False)
    field = measure_field(gradients, TheoreticalField((5, 5), (False, True)), (1.0, 1.0))
    assert field.larger == (False, True)


def test_the_network_stays_as_it_is_and_the_seed_decides() -> None:
    network = create_network(configure_network("unet", pyramid(2, levels=1))).train()
    frozen = next(network.parameters()).requires_grad_(requires_grad=False)
    first = list(centre_gradients(network, (8, 8)))
    assert np.array_equal(first, list(centre_gradients(network, (8, 8))))
    assert not np.array_equal(first, list(centre_gradients(network, (8, 8), seed=1)))
    assert len(first) == DRAWS
    assert network.training
    assert all(p.grad is None for p in network.parameters())
    assert not frozen.requires_grad
    assert sum(not p.requires_grad for p in network.parameters()) == 1
