"""Unlabelled voxels are silent; what is labelled counts once."""

import torch
from torch.nn import functional

from napari_ziggurat.training.losses import (
    _focal,
    class_weights,
    deep_supervision_loss,
    partial_loss,
)


def _case() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 9, generator=generator, requires_grad=True)
    target = torch.randint(0, 4, (2, 8, 9), generator=generator).to(torch.uint8)
    return logits, target


def test_the_gradient_is_exactly_zero_at_ignored_voxels() -> None:
    logits, target = _case()
    partial_loss(logits, target).backward()
    assert logits.grad is not None
    ignored = (target == 0)[:, None].expand_as(logits.grad)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).any()


def test_logits_at_ignored_voxels_do_not_matter() -> None:
    logits, target = _case()
    changed = torch.where((target == 0)[:, None], logits + 5, logits)
    assert partial_loss(logits, target) == partial_loss(changed, target)


def test_nothing_labelled_gives_no_loss_no_gradient_and_no_nan() -> None:
    logits, target = _case()
    loss = partial_loss(logits, torch.zeros_like(target))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_an_absent_class_adds_no_dice_loss() -> None:
    target = torch.full((1, 4, 4), 2, dtype=torch.uint8)
    right = torch.tensor([-20.0, 20.0, -20.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert partial_loss(right, target) < 1e-4


def test_background_alone_is_cross_entropy_alone() -> None:
    logits, target = _case()
    only = (target > 0).to(torch.uint8)
    expected = functional.cross_entropy(logits, only.long() - 1, ignore_index=-1)
    torch.testing.assert_close(partial_loss(logits, only), expected)


def test_depths_are_averaged_with_halving_weights() -> None:
    logits, target = _case()
    other = logits.detach() * 0.5
    expected = (2 * partial_loss(logits, target) + partial_loss(other, target)) / 3
    torch.testing.assert_close(deep_supervision_loss([logits, other], target), expected)


def test_depths_may_be_weighted_otherwise() -> None:
    logits, target = _case()
    other = logits.detach() * 0.5
    expected = (partial_loss(logits, target) + 3 * partial_loss(other, target)) / 4
    found = deep_supervision_loss([logits, other], target, depths=(1, 3))
    torch.testing.assert_close(found, expected)


def test_rare_classes_weigh_more_but_less_towards_the_end() -> None:
    early, late = (class_weights([0.96, 0.04, 0.0], used) for used in (0.0, 1.0))
    torch.testing.assert_close(early, [1.0, 24**0.5, 1.0])
    torch.testing.assert_close(late, [1.0, 24**0.25, 1.0])
    assert max(class_weights([1.0, 1e-9], 0.0)) == 10


def test_without_a_background_every_class_counts_for_dice() -> None:
    target = torch.tensor([[[1, 1, 1, 2]]], dtype=torch.uint8)
    logits = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 4)
    entropy = functional.cross_entropy(logits, target.long() - 1)
    right = logits.softmax(dim=1)[0, :, 0, 0]
    dice = [1 - 2 * n * p / (n + 4 * p) for n, p in zip((3, 1), right, strict=True)]
    found = partial_loss(logits, target, background=False) - entropy
    torch.testing.assert_close(found, (dice[0] + dice[1]) / 2, atol=1e-4, rtol=0)
    torch.testing.assert_close(partial_loss(logits, target) - entropy, dice[1], atol=1e-4, rtol=0)


def test_focal_with_gamma_zero_is_cross_entropy_and_less_with_more() -> None:
    logits, target = _case()
    weights = torch.tensor([1.0, 2.0, 0.5])
    plain = functional.cross_entropy(logits, target.long() - 1, weights, ignore_index=-1)
    torch.testing.assert_close(_focal(logits, target.long() - 1, weights, 0.0), plain)
    assert partial_loss(logits, target, weights, focal=2.0) < partial_loss(logits, target, weights)


def test_focal_ignores_what_is_unlabelled_and_a_patch_without_labels() -> None:
    logits, target = _case()
    changed = torch.where((target == 0)[:, None], logits + 5, logits)
    assert partial_loss(logits, target, focal=2.0) == partial_loss(changed, target, focal=2.0)
    loss = partial_loss(logits, torch.zeros_like(target), focal=2.0)
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_focal_has_a_gradient_where_everything_is_right_already() -> None:
    logits = torch.tensor([60.0, -60.0]).reshape(1, 2, 1, 1).requires_grad_()
    partial_loss(logits, torch.ones(1, 1, 1, dtype=torch.uint8), focal=0.5).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
