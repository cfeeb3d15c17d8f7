"""The shape loss: unknown voxels are silent, and the targets are where it is smallest."""

import torch

from napari_ziggurat.training.shape_loss import shape_loss


def case() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 8, 9, generator=generator, requires_grad=True)
    codes = torch.randint(0, 256, (2, 2, 8, 9), generator=generator)
    codes[:, 0] = torch.tensor([0, 1, 1, 1, 255])[codes[:, 0] % 5]
    return logits, codes.to(torch.uint8)


def test_the_gradient_is_exactly_zero_at_unknown_voxels_of_each_channel() -> None:
    logits, codes = case()
    shape_loss([logits], codes).backward()
    assert logits.grad is not None
    assert (logits.grad[codes == 0] == 0).all()
    assert (logits.grad[codes > 0] != 0).any()


def test_a_channel_of_which_nothing_is_known_is_silent() -> None:
    logits, codes = case()
    codes[:, 1] = 0
    loss = shape_loss([logits], codes)
    loss.backward()
    assert loss > 0
    assert logits.grad is not None
    assert (logits.grad[:, 1] == 0).all()
    assert shape_loss([logits], torch.zeros_like(codes)) == 0


def test_it_is_smallest_at_the_targets() -> None:
    _, codes = case()
    wanted = ((codes.float() - 1) / 254).clamp(0, 1)
    best = shape_loss([wanted.logit(eps=1e-6)], codes)
    for changed in (wanted * 0.9, wanted * 0.9 + 0.1):
        assert shape_loss([changed.logit(eps=1e-6)], codes) > best


def test_every_output_is_taught_with_halving_weights() -> None:
    logits, codes = case()
    other = logits.detach() * 0.5
    one, two = shape_loss([logits], codes), shape_loss([other], codes)
    torch.testing.assert_close(shape_loss([logits, other], codes), (2 * one + two) / 3)
    torch.testing.assert_close(shape_loss([logits, other], codes, (1.0, 3.0)), (one + 3 * two) / 4)


def test_rare_boundary_counts_more() -> None:
    codes = torch.ones(1, 2, 10, 10, dtype=torch.uint8)
    codes[0, 0, 0, 0], codes[0, 1] = 255, 0
    missed = torch.zeros(1, 2, 10, 10)
    missed[0, 0, 0, 0] = -3
    invented = torch.zeros(1, 2, 10, 10)
    invented[0, 0, 5, 5] = 3
    assert shape_loss([missed], codes) > shape_loss([invented], codes) * 1.2
