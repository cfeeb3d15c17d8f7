"""Neighbours that look alike want one class; where the image changes, the class may."""

import pytest
import torch

from napari_ziggurat.training.alike import alike_loss


def _cut(at: int, shape: tuple[int, ...] = (1, 1, 16, 16)) -> torch.Tensor:
    """One up to a column, and zero from there on."""
    return (torch.arange(shape[-1]) < at).float().expand(shape)


def _sure(cut: torch.Tensor) -> torch.Tensor:
    return torch.cat([cut, 1 - cut], dim=1) * 40


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (2, 1, 3, 16, 16)])
def test_a_border_costs_least_where_the_image_has_one(shape: tuple[int, ...]) -> None:
    image = _cut(8, shape)
    costs = {at: float(alike_loss(_sure(_cut(at, shape)), image)) for at in range(4, 13)}
    assert min(costs, key=costs.__getitem__) == 8
    assert costs[8] < 0.5 * costs[5]


def test_grey_values_may_have_any_unit() -> None:
    image = torch.rand(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    logits = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(alike_loss(logits, image), alike_loss(logits, 70 * image + 3))


def test_one_class_everywhere_costs_nothing() -> None:
    image = torch.rand(1, 1, 16, 16)
    assert alike_loss(_sure(_cut(16)), image) < 1e-6
    assert torch.isfinite(alike_loss(_sure(_cut(8)), torch.zeros(1, 1, 16, 16)))


def test_patches_smaller_than_the_distances_are_no_error() -> None:
    assert alike_loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 1, 3, 3)) == pytest.approx(0.5)
    assert alike_loss(torch.zeros(1, 2, 1, 9), torch.zeros(1, 1, 1, 9)) == 0
