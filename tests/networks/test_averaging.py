"""Averaging: the mean over mirrored and resized windows, behind the face of one network."""

import pytest
import torch
from torch import nn

from models import tiny_model
from napari_ziggurat.networks.averaging import AveragedNetwork
from napari_ziggurat.networks.views import make_views


def averaged(kinds: tuple[str, ...], axes: str = "yx") -> AveragedNetwork:
    views = make_views(kinds, len(axes))  # type: ignore[arg-type]
    return AveragedNetwork(tiny_model(axes).network, views)


@torch.no_grad()
def test_softmax_gives_the_mean_probability() -> None:
    network, x = averaged(("flips",)), torch.randn(1, 1, 32, 40)
    inner = network.network
    by_hand = [inner(x.flip(axes)).softmax(1).flip(axes) for axes in ([], [2], [3], [2, 3])]
    torch.testing.assert_close(network(x).softmax(1), torch.stack(by_hand).mean(0))


@torch.no_grad()
@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_a_mirrored_window_gives_the_mirrored_result(axes: str) -> None:
    network, x = averaged(("flips",), axes), torch.randn(1, 1, *(16,) * len(axes))
    for axis in range(2, x.ndim):
        torch.testing.assert_close(network(x.flip(axis)), network(x).flip(axis))


@torch.no_grad()
def test_a_window_of_another_size_is_brought_back_to_its_place() -> None:
    class Identity(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, -x], dim=1)

    ramp = torch.linspace(-1, 1, 40).expand(1, 1, 30, 40)
    found = AveragedNetwork(Identity(), make_views(["scales"], 2))(ramp).softmax(1)
    plain = Identity()(ramp).softmax(1)
    inside = (..., slice(3, -3))
    torch.testing.assert_close(found[inside], plain[inside], atol=2e-3, rtol=0)
    assert found.shape == plain.shape


@torch.no_grad()
@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_sizes_that_are_no_multiple_of_the_stride_are_computed(axes: str) -> None:
    network, x = averaged(("flips", "scales"), axes), torch.randn(2, 1, *(18,) * len(axes))
    found = network(x.to(torch.float32))
    assert found.shape == (2, 3, *(18,) * len(axes))
    torch.testing.assert_close(found.exp().sum(1), torch.ones(2, *(18,) * len(axes)))


@pytest.mark.parametrize(
    ("kinds", "dims", "count"),
    [((), 2, 1), (("flips",), 2, 4), (("flips",), 3, 8), (("scales",), 3, 3),
     (("flips", "scales"), 2, 12)],
)  # fmt: skip
def test_the_window_itself_is_the_first_of_all_views(
    kinds: tuple[str, ...], dims: int, count: int
) -> None:
    views = make_views(kinds, dims)  # type: ignore[arg-type]
    assert len(set(views)) == len(views) == count
    assert (views[0].flips, views[0].zoom) == ((), (1.0,) * dims)


def test_a_coarse_z_keeps_its_size() -> None:
    assert {view.zoom for view in make_views(["scales"], 3, in_plane=True)} == {
        (1.0, 1.0, 1.0), (1.0, 0.8, 0.8), (1.0, 1.25, 1.25),
    }  # fmt: skip
