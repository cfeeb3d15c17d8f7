"""The labels of one box in memory, and how unsure a model is of them."""

import numpy as np
import pytest

from models import tiny_model
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.predict import entropy, predict_box, predict_unsure


def test_who_is_sure_has_no_entropy_and_who_knows_nothing_has_all_of_it() -> None:
    probabilities = np.array([[[1.0, 1 / 3, 0.5]], [[0.0, 1 / 3, 0.5]], [[0.0, 1 / 3, 0.0]]])
    (sure, nothing, between) = entropy(probabilities)[0]
    assert sure == pytest.approx(0, abs=1e-6)
    assert nothing == pytest.approx(1, abs=1e-6)
    assert between == pytest.approx(np.log(2) / np.log(3), abs=1e-6)


def test_asking_how_unsure_a_model_is_does_not_change_its_labels() -> None:
    voxels = np.random.default_rng(0).integers(0, 255, (70, 90), dtype=np.uint8)
    image = image_from_array(voxels, axes="yx", spacing=(1.0, 1.0))
    (model, box) = (tiny_model("yx"), Box((10, 0), (70, 64)))
    (labels, unsure) = finish(predict_unsure(image, model, 0, box))
    np.testing.assert_array_equal(labels, finish(predict_box(image, model, 0, box)))
    assert unsure.shape == labels.shape
    assert unsure.dtype == np.float32
    assert 0 <= unsure.min() < unsure.max() <= 1
