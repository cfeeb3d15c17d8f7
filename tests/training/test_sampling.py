"""Which voxels the sampler knows, and what is read for it."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ziggurat.images import image as image_module
from napari_ziggurat.images import image_from_array
from napari_ziggurat.networks import Intensity
from napari_ziggurat.progress import finish
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume, label_positions

DENSE = LabelCode((0, 1), dense=True, foreground=False)


def volume_of(labels: np.ndarray) -> LabelledVolume:
    image = image_from_array(np.zeros(labels.shape, np.uint8), axes="zyx"[-labels.ndim :])
    truth = image_from_array(labels, axes="zyx"[-labels.ndim :])
    return LabelledVolume(image, truth, 0, 0, DENSE)


def test_few_positions_are_all_kept_in_order() -> None:
    labels = np.random.default_rng(0).integers(0, 2, (20, 30)).astype(np.uint8)
    found = finish(label_positions(volume_of(labels)))
    np.testing.assert_array_equal(found.positions[2], np.argwhere(labels == 1))
    assert found.counts == {1: int((labels == 0).sum()), 2: int(labels.sum())}


def test_every_labelled_voxel_has_the_same_chance_in_whatever_box(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_module, "_STREAMED_VOXELS", 1000)
    labels = np.zeros((50, 1000), np.uint8)
    labels[:10] = 1  # ten boxes full of the class, and one with ten voxels of it
    labels[40, :10] = 1
    assert len(list(volume_of(labels).labels.boxes(0))) == 50
    found = finish(label_positions(volume_of(labels), most=500))
    rows = found.positions[2]
    assert rows.shape == (500, 2)
    assert (labels[tuple(rows.T)] == 1).all()
    assert len(np.unique(rows, axis=0)) == 500
    assert (rows[:, 0] == 40).sum() <= 3
    assert np.bincount(rows[:, 0], minlength=10)[:10].min() > 25


def test_what_is_kept_while_looking_does_not_grow_with_the_boxes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_module, "_STREAMED_VOXELS", 1000)
    import tracemalloc

    labels = np.ones((400, 1000), np.uint8)
    volume = volume_of(labels)
    tracemalloc.start()
    finish(label_positions(volume, most=900))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # all positions that were kept box by box took six times as much


@pytest.mark.parametrize("everywhere", [True, False])
def test_patches_lie_around_strokes_or_everywhere(everywhere: bool) -> None:
    labels = np.zeros((100, 100), np.uint8)
    labels[:3, :3] = [1, 255, 1]
    strokes = replace(volume_of(labels), code=LabelCode((0, 1), dense=False, foreground=False))
    index = LabelIndex.from_volumes([finish(label_positions(strokes))])
    intensity = Intensity((0.0,), (255.0,), (0.0,), (1.0,))
    sampler = Sampler([strokes], [intensity], index, (10, 10), everywhere=everywhere)
    rng = np.random.default_rng(0)
    labelled = [sampler.draw(rng)[1].any() for _ in range(50)]
    assert sum(labelled) < 10 if everywhere else all(labelled)


def test_the_digest_tells_labels_apart() -> None:
    labels = np.random.default_rng(0).integers(0, 2, (20, 30)).astype(np.uint8)
    moved = labels[:, ::-1].copy()
    one, same, other = (finish(label_positions(volume_of(a))) for a in (labels, labels, moved))
    assert one.digest == same.digest != other.digest
    assert one.counts == other.counts
