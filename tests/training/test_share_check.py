"""Whether an estimate of the class shares agrees with the strokes, and how sure a network is."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.networks import Intensity
from napari_ziggurat.training.rounds import HeldOut
from napari_ziggurat.training.share_check import find_fall
from napari_ziggurat.training.stroke_logits import StrokeLogits
from napari_ziggurat.training.temperature import fit_temperature
from napari_ziggurat.training.validation import Look
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume


def strokes(sure: float, each: int = 200) -> StrokeLogits:
    """Voxels of three classes, whose own logit is higher by so much on average."""
    rng = np.random.default_rng(0)
    channels = np.repeat([0, 1, 2], each)
    logits = rng.normal(0, 0.5, (3 * each, 3))
    logits[np.arange(3 * each), channels] += sure
    return StrokeLogits(logits.astype(np.float32), channels, np.zeros(3 * each, int))


def test_a_shift_that_loses_painted_voxels_is_found_and_the_class_that_loses_most() -> None:
    shift = np.array([-1.0, -0.2, 1.5])
    fall = find_fall(strokes(sure=1.5), shift)
    assert fall is not None
    assert fall.channel == 0
    assert fall.after < fall.before - 0.1
    assert find_fall(strokes(sure=6.0), shift) is None  # a network that has learned enough
    assert find_fall(strokes(sure=1.5), np.full(3, 2.0)) is None


def test_a_class_without_a_painted_voxel_does_not_decide() -> None:
    few = StrokeLogits(np.array([[5.0, 0.0], [4.0, 0.0]], np.float32), np.zeros(2, int),
                       np.zeros(2, int))  # fmt: skip
    assert np.isnan(few.recall(np.zeros(2))[1])
    assert find_fall(few, np.array([-1.0, 1.0])) is None
    assert not few.enough


@settings(max_examples=15)
@given(st.floats(0.2, 1.8))
def test_the_temperature_is_that_by_which_the_logits_were_divided(temperature: float) -> None:
    rng = np.random.default_rng(0)
    channels = np.repeat([0, 1], 5000)
    seen = rng.normal(2.0 * channels - 1.0, 1.0)  # of two classes alike: the log odds are 2 x
    logits = temperature * np.stack([-seen, seen], axis=1)
    said = StrokeLogits(logits.astype(np.float32), channels, np.zeros(10_000, int))
    assert fit_temperature(said, np.array([0.5, 0.5])) == pytest.approx(temperature, rel=0.1)


def test_without_a_stroke_probabilities_are_taken_as_they_are() -> None:
    none = StrokeLogits(np.empty((0, 2), np.float32), np.empty(0, int), np.empty(0, int))
    assert fit_temperature(none, np.array([0.5, 0.5])) == 1.0


class _ByBrightness(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * torch.cat([x, 1 - x], dim=1)


def test_held_out_voxels_are_looked_at_where_they_are_scored_only() -> None:
    grey = np.zeros((8, 8), np.uint8)
    grey[:4] = 1
    labels = np.where(grey == 1, 255, 1).astype(np.uint8)
    image, truth = (image_from_array(array, axes="yx") for array in (grey, labels))
    code = LabelCode((0, 1), dense=False, foreground=False)
    volume, plain = (
        LabelledVolume(image, truth, 0, 0, code),
        Intensity((0.0,), (1.0,), (0.0,), (1.0,)),
    )
    whole = Box((0, 0), (8, 8))
    places = [(0, whole, Box((0, 0), (1, 8))), (0, whole, Box((6, 0), (8, 8)))]
    held = HeldOut([volume], [plain], places, ["a", "b"], Look((8, 8), flat=False))
    found = StrokeLogits.held_out(_ByBrightness().eval(), held)
    assert found.voxels.tolist() == [8, 16]
    assert np.bincount(found.blocks).tolist() == [8, 16]
    assert found.recall(np.zeros(2)).tolist() == [1, 1]
