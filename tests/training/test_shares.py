"""How common classes are, where strokes say otherwise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from napari_ziggurat.images import image_from_array
from napari_ziggurat.networks import Intensity
from napari_ziggurat.progress import finish
from napari_ziggurat.training.loop import Recipe, Trainee
from napari_ziggurat.training.prior import filled, matching_shift
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.shares import Shares, estimate_shares, expectation_maximisation
from napari_ziggurat.training.stroke_logits import StrokeLogits
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume, label_positions


def posteriors(true: NDArray[np.float64], taught: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a perfect classifier, taught with some shares, says of voxels drawn with others."""
    rng = np.random.default_rng(0)
    classes = rng.choice(len(true), 50_000, p=true)
    seen = rng.normal(4.0 * classes, 1.0)
    centres = 4.0 * np.arange(len(true))
    likelihoods = np.exp(-0.5 * (seen[:, None] - centres) ** 2)
    joint = likelihoods * taught
    return joint / joint.sum(axis=1, keepdims=True)


@given(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=4), st.floats(0.1, 0.9))
def test_shares_are_found_whatever_was_taught(weights: list[float], first: float) -> None:
    true = np.array(weights) / sum(weights)
    taught = np.array([first, *[(1 - first) / (len(true) - 1)] * (len(true) - 1)])
    found = expectation_maximisation(posteriors(true, taught), taught)
    np.testing.assert_allclose(found, true, atol=0.02)


def test_the_shift_is_that_of_bayes_and_has_bounds() -> None:
    shift = Shares(taught=(0.5, 0.5), estimated=(0.9, 0.1)).shift
    np.testing.assert_allclose(np.exp(shift), [1.8, 0.2])
    assert Shares((0.5, 0.5), (1.0, 0.0)).shift[1] == pytest.approx(-np.log(20))


class _ByBrightness(nn.Module):
    """Finds class 0 in ones and class 1 in zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * torch.cat([x, 1 - x], dim=1)


def test_shares_are_those_of_the_images_and_not_of_the_painted_places() -> None:
    """Strokes lie where the image is dark, half of them of each class; most of it is bright."""
    labels = np.zeros((100, 100), np.uint8)
    labels[:4, :4] = [1, 255, 1, 255]
    grey = np.full(labels.shape, 1, np.uint8)
    grey[:30, :30] = 0
    image, truth = (image_from_array(array, axes="yx") for array in (grey, labels))
    code = LabelCode((0, 1), dense=False, foreground=False)
    volume = LabelledVolume(image, truth, 0, 0, code)
    index = LabelIndex.from_volumes([finish(label_positions(volume))])
    sampler = Sampler([volume], [Intensity((0.0,), (1.0,), (0.0,), (1.0,))], index, (10, 10))
    recipe = Recipe(batch=4, flat=False)
    trainee = Trainee(_ByBrightness(), sampler, None, recipe, torch.device("cpu"))
    shares = estimate_shares(trainee, StrokeLogits.of_training(trainee))
    assert shares.taught == pytest.approx((0.5, 0.5), abs=0.01)
    assert shares.estimated[0] == pytest.approx(0.91, abs=0.05)


@settings(max_examples=15)
@given(st.floats(0.01, 0.6))
def test_so_many_voxels_are_found_as_were_told(share: float) -> None:
    said = posteriors(np.array([0.7, 0.3]), np.array([0.4, 0.6]))
    shift = matching_shift(said, np.array([1 - share, share]))
    found = (np.log(np.maximum(said, 1e-12)) + shift).argmax(axis=1)
    bound = abs(shift[1] - shift[0]) > 2 * np.log(20) - 1e-6
    assert bound or (found == 1).mean() == pytest.approx(share, abs=0.01)


def test_a_share_is_reached_also_where_all_voxels_look_alike() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (10_000, 3))
    said = np.exp(noise) / np.exp(noise).sum(axis=1, keepdims=True)
    wanted = np.array([0.25, 0.7, 0.05])
    shift = matching_shift(said, wanted)
    found = np.bincount((np.log(said) + shift).argmax(axis=1), minlength=3) / len(said)
    np.testing.assert_allclose(found, wanted, atol=0.03)


def test_a_share_that_cannot_be_reached_leaves_numbers() -> None:
    said = np.tile([1.0, 0.0], (100, 1))
    shift = matching_shift(said, np.array([0.5, 0.5]))
    assert np.isfinite(shift).all()
    assert abs(shift).max() <= np.log(20)


def test_what_was_not_told_shares_the_rest_as_estimated() -> None:
    np.testing.assert_allclose(
        filled((None, 0.2, None), np.array([0.6, 0.1, 0.3])), [8 / 15, 0.2, 4 / 15]
    )
    np.testing.assert_allclose(filled((None, 0.2), np.array([0.5, 0.5])), [0.8, 0.2])
