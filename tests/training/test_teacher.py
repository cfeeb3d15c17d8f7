"""The teacher speaks only of what is unlabelled and only where it is sure, and is no student."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from napari_ziggurat.training.teacher import (
    Teacher,
    Unlabelled,
    pseudo_labels,
    ramp,
    unlabelled_loss,
)


class _Fixed(nn.Module):
    """Gives the same logits for every voxel, at one output."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [self.logits.view(1, -1, 1, 1).expand(len(x), -1, *x.shape[2:])]


def _teacher(how: Unlabelled, *logits: float) -> Teacher:
    return Teacher(AveragedModel(_Fixed(*logits)), how, len(logits))


def test_a_class_is_a_label_where_it_is_sure_and_nowhere_else() -> None:
    logits = torch.tensor([[[3.0, 0.1, 0.0]], [[0.0, 0.0, 4.0]]])[None]
    assert pseudo_labels(logits, 0.9).tolist() == [[[1, 0, 2]]]
    assert pseudo_labels(logits, 0.0).tolist() == [[[1, 1, 2]]]


def test_strokes_are_never_overruled() -> None:
    teacher = _teacher(Unlabelled(1.0, 0.6), 5.0, 0.0)
    target = torch.tensor([[[2, 0, 1, 0]]], dtype=torch.uint8)
    labels, _ = teacher.labels([torch.zeros(1, 1, 1, 4)], target, torch.ones(2), 1)
    assert labels.tolist() == [[[0, 1, 0, 1]]]


def test_the_student_moves_and_the_teacher_does_not() -> None:
    teacher = _teacher(Unlabelled(1.0, 0.6), 5.0, 0.0)
    target = torch.zeros((1, 1, 4), dtype=torch.uint8)
    labels, shift = teacher.labels([torch.zeros(1, 1, 1, 4)], target, torch.ones(2), 1)
    logits = torch.zeros(1, 2, 1, 4, requires_grad=True)
    unlabelled_loss([logits], labels, shift).backward()
    assert logits.grad is not None
    assert (logits.grad[:, 0] < 0).all()
    assert all(p.grad is None for p in teacher._kept.parameters())


def test_an_unsure_teacher_gives_no_loss_and_no_gradient() -> None:
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    loss = unlabelled_loss([logits], torch.zeros((2, 4, 5), dtype=torch.uint8), torch.zeros(3))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_the_loss_is_divided_by_all_voxels_and_averaged_over_outputs() -> None:
    logits = torch.randn(1, 2, 1, 4)
    labels = torch.tensor([[[1, 0, 0, 2]]], dtype=torch.uint8)
    shift = torch.tensor([0.3, -0.3])
    moved = (logits + shift.view(1, 2, 1, 1))[0, :, 0].T
    expected = functional.cross_entropy(moved[[0, 3]], torch.tensor([0, 1]), reduction="sum") / 4
    found = unlabelled_loss([logits, logits], labels, shift, depths=(1.0, 3.0))
    torch.testing.assert_close(found, expected)


def test_a_class_that_was_painted_too_often_is_believed_less() -> None:
    """Painted alike, and the image has a tenth of class 2: Bayes divides its odds by nine."""
    how = Unlabelled(1.0, 0.6, told=(None, 0.1))
    teacher = _teacher(how, 0.0, 1.0)
    target = torch.tensor([[[1, 2, 0, 0]]], dtype=torch.uint8)
    labels, shift = teacher.labels([torch.zeros(1, 1, 1, 4)], target, torch.ones(2), 1)
    assert float(shift[1] - shift[0]) == pytest.approx(-math.log(9), abs=1e-4)
    assert labels.tolist() == [[[0, 0, 1, 1]]]


def test_shares_are_left_alone_where_they_are_as_painted() -> None:
    teacher = _teacher(Unlabelled(1.0, 0.6, aligned=False), 0.0, 1.0)
    target = torch.tensor([[[1, 1, 1, 0]]], dtype=torch.uint8)
    labels, shift = teacher.labels([torch.zeros(1, 1, 1, 4)], target, torch.ones(2), 1)
    assert not shift.any()
    assert labels.tolist() == [[[0, 0, 0, 2]]]


def test_shares_follow_what_is_found_anywhere() -> None:
    """Nearly everything looks like class 1, half of the strokes show class 2."""
    teacher = _teacher(Unlabelled(1.0, 0.6), 2.0, 0.0)
    target = torch.tensor([[[1, 2, 0, 0]]], dtype=torch.uint8)
    for _ in range(300):
        _, shift = teacher.labels([torch.zeros(1, 1, 1, 4)], target, torch.ones(2), 1)
    assert shift[0] > 0.3
    assert shift[1] < -1.0


def test_the_weight_grows_and_stays() -> None:
    values = [ramp(used) for used in (0.0, 0.1, 0.3, 0.4, 1.0)]
    assert values == sorted(values)
    assert values[0] < 0.01
    assert values[-2:] == [1, 1]
