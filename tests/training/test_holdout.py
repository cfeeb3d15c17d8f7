"""Holdout: no voxel is both trained on and scored, and both parts can be used."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.networks import Intensity
from napari_ziggurat.progress import finish
from napari_ziggurat.training.holdout import Holdout, hold_out
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume, label_positions

UNCHANGED = Intensity((-1e9,), (1e9,), (0.0,), (1.0,))


def sampler(
    labels: Sequence[NDArray[np.uint8]],
    *,
    dense: bool,
    patch: tuple[int, ...],
    axes: str = "",
    values: tuple[int, ...] = (0, 1),
) -> Sampler:
    """Images whose grey values number all voxels, so that it can be told what was read."""
    code = LabelCode(values, dense=dense, foreground=False)
    volumes, first = [], 0
    for each in labels:
        grey = np.arange(first, first + each.size, dtype=np.float32).reshape(each.shape)
        first += each.size
        names = axes or "zyx"[-each.ndim :]
        image, truth = image_from_array(grey, axes=names), image_from_array(each, axes=names)
        volumes += [LabelledVolume(image, truth, 0, 0, code, t) for t in range(image.times)]
    index = LabelIndex.from_volumes([finish(label_positions(v)) for v in volumes])
    return Sampler(volumes, [UNCHANGED] * len(volumes), index, patch)


def blobs(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    return (np.random.default_rng(seed).random(shape) < 0.3).astype(np.uint8)


def strokes(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    """A few lines of class 1 and of background in an image that is otherwise unlabelled."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    for value in (1, 255) * 6:
        *place, column = (int(rng.integers(n)) for n in shape)
        labels[(*place, slice(max(0, column - 6), column + 6))] = value
    return labels


def trained(held: Holdout, draws: int = 200) -> set[float]:
    """Grey values that training reads where it learns."""
    rng = np.random.default_rng(1)
    seen: set[float] = set()
    for _ in range(draws):
        image, target = held.sampler.draw(rng)
        seen |= set(image[0][target > 0].tolist())
    return seen


def scored(held: Holdout) -> set[float]:
    return {
        float(value)
        for volume in held.volumes
        for value in volume.read_image(Box.whole(volume.shape)).ravel()
    }


@pytest.mark.parametrize(
    ("labels", "dense", "patch"),
    [
        ([blobs((40, 50))], True, (16, 16)),
        ([blobs((20, 20), n) for n in range(10)], True, (16, 16)),
        ([blobs((6, 30, 30))], True, (1, 16, 16)),
        ([blobs((12, 30, 30))], True, (8, 16, 16)),
        ([strokes((60, 70))], False, (16, 16)),
        ([strokes((10, 60, 70))], False, (8, 16, 16)),
        ([strokes((40, 40), n) for n in range(6)], False, (16, 16)),
        ([blobs((9, 9))], True, (16, 16)),
    ],
    ids=["plane", "planes", "sections", "volume", "strokes", "3D strokes", "many", "tiny"],
)
def test_no_voxel_is_trained_on_and_scored(
    labels: list[NDArray[np.uint8]], dense: bool, patch: tuple[int, ...]
) -> None:
    everything = sampler(labels, dense=dense, patch=patch)
    held = hold_out(everything, seed=0)
    seen, kept = trained(held), scored(held)
    assert seen
    assert kept
    assert seen & kept == set()
    values = {
        value
        for volume in held.volumes
        for value in np.unique(volume.read_target(Box.whole(volume.shape))).tolist()
    }
    assert {1, 2} <= values  # background and class 1


@pytest.mark.parametrize("seed", range(4))  # every end
def test_patches_are_drawn_around_the_labels_of_the_rest(seed: int) -> None:
    held = hold_out(sampler([blobs((40, 50))], dense=True, patch=(16, 16)), seed)
    (volume,) = held.sampler.volumes
    target = volume.read_target(Box.whole(volume.shape))
    for value, rows in held.sampler.index.positions.items():
        assert (target[tuple(rows[:, 1:].T)] == value).all()
        assert len(rows) == (target == value).sum()


def test_images_are_normalised_as_before() -> None:
    everything = sampler([blobs((20, 20), n) for n in range(10)], dense=True, patch=(16, 16))
    own = [Intensity((0.0,), (1e9,), (float(n),), (1.0,), "image") for n in range(10)]
    held = hold_out(Sampler(everything.volumes, own, everything.index, (16, 16)), seed=3)
    ours = zip(held.sampler.volumes, held.sampler.intensities, strict=True)
    theirs = zip(held.volumes, held.intensities, strict=True)
    for volume, intensity in (*ours, *theirs):
        number = int(volume.read_image(Box.whole(volume.shape)).min()) // 400
        assert intensity.mean == (float(number),)
    assert len(held.volumes) == 2


def test_time_points_of_an_image_are_cut_at_the_same_place() -> None:
    times = sampler([blobs((4, 30, 30))], dense=True, patch=(16, 16), axes="tyx")
    held = hold_out(times, seed=0)
    assert len({volume.region for volume in held.volumes}) == 1
    assert len(held.volumes) == 4


def test_the_seed_decides_which_images() -> None:
    everything = sampler([blobs((20, 20), n) for n in range(20)], dense=True, patch=(16, 16))
    found = {tuple(id(v.image) for v in hold_out(everything, s).volumes) for s in (0, 0, 1, 2)}
    assert len(found) == 3


def test_sparse_labels_are_scored_where_they_are() -> None:
    labels = strokes((400, 400))
    held = hold_out(sampler([labels], dense=False, patch=(16, 16)), seed=0)
    assert all((v.read_target(Box.whole(v.shape)) > 0).any() for v in held.volumes)
    assert max(max(v.shape) for v in held.volumes) <= 16


def test_classes_on_one_side_only_are_named_and_not_scored() -> None:
    labels = np.zeros((32, 32), np.uint8)
    labels[::4] = 1
    labels[1::4] = 255
    labels[14:18, 14:18] = 2
    images = sampler([labels], dense=False, patch=(8, 8), values=(0, 1, 2))
    held = hold_out(images, seed=0)
    assert held.classes == {0, 1}
    assert held.words.endswith("which are not scored: 2")


def test_more_is_held_out_where_that_has_more_classes_on_both_sides() -> None:
    labels = blobs((60, 60))
    labels[18:42, 18:42] = 2
    held = hold_out(sampler([labels], dense=True, patch=(8, 8), values=(0, 1, 2)), seed=0)
    assert held.classes == {0, 1, 2}
    assert sum(volume.bytes for volume in held.volumes) > 0.25 * 60 * 60 * 5


@pytest.mark.parametrize("where", [(0, 0), (5, 5)])
def test_labels_that_cannot_be_divided_are_refused(where: tuple[int, int]) -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[where] = 1
    with pytest.raises(InputError, match="--val-image"):
        hold_out(sampler([labels], dense=True, patch=(8, 8)), seed=0)
