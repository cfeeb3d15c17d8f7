"""Patches at other scales: images are averaged, thin strokes stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.images import image_from_array
from napari_ziggurat.networks import Intensity
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume
from napari_ziggurat.training.zoom import Zoom, draw_zoomed, zoomed

sizes = st.integers(3, 24)


@given(st.tuples(sizes, sizes), st.tuples(sizes, sizes), st.data())
def test_a_stroke_of_one_voxel_survives_every_zoom(shape, wanted, data) -> None:
    target = np.zeros(shape, np.uint8)
    place = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    target[place] = 3
    image = np.zeros((1, *shape), np.float32)
    seen, found = zoomed(image, target, wanted)
    assert seen.shape == (1, *wanted)
    assert 3 in found
    assert set(np.unique(found)) <= {0, 3}


@given(st.tuples(sizes, sizes, sizes), st.tuples(sizes, sizes, sizes))
def test_where_nothing_is_labelled_nothing_becomes_labelled(shape, wanted) -> None:
    target = np.ones(shape, np.uint8)
    target[:, : shape[1] // 2] = 0
    found = zoomed(np.zeros((2, *shape), np.float32), target, wanted)[1]
    assert found.shape == wanted
    assert not found[:, : (wanted[1] * (shape[1] // 2)) // shape[1]].any()
    assert (found[:, -1] == 1).all()


def test_the_larger_part_of_what_is_labelled_wins() -> None:
    target = np.array([[1, 1, 0, 0], [1, 2, 0, 2]], np.uint8)
    image = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    seen, found = zoomed(image, target, (1, 2))
    assert found.tolist() == [[1, 2]]
    assert seen.tolist() == [[[2.5, 4.5]]]


def _sampler() -> Sampler:
    image = image_from_array(
        np.arange(64, dtype=np.uint8)[None] * np.ones((64, 1), np.uint8), axes="yx"
    )
    labels = image_from_array(np.ones((64, 64), np.uint8), axes="yx")
    volume = LabelledVolume(image, labels, 0, 0, LabelCode((0, 1), dense=True, foreground=False))
    index = LabelIndex({2: np.array([[0, 32, 32]])}, {2: 1.0})
    return Sampler([volume], [Intensity((0.0,), (1.0,), (0.0,), (255.0,))], index, (8, 8))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_patch_at_scale_two_shows_twice_as_much(scale: float) -> None:
    zoom = Zoom(scale, scale, 2)
    patch = draw_zoomed(_sampler(), zoom, np.random.default_rng(0))
    image, target = patch["image"], patch["target"]
    assert image.shape == (1, 8, 8)
    assert target.shape == (8, 8)
    steps = np.diff(image[0, 0, 2:-2])
    one = np.diff(_sampler().draw(np.random.default_rng(0))[0][0, 0])[0]
    np.testing.assert_allclose(steps, one * scale, rtol=1e-4)
