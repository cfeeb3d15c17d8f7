"""Replay: half of the patches show the newest labels, whatever the images are."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.networks import Intensity
from napari_ziggurat.progress import finish
from napari_ziggurat.training.replay import Positions, with_replay
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume, label_positions

UNCHANGED = Intensity((-1e9,), (1e9,), (0.0,), (1.0,))


def volume(labels: NDArray[np.uint8], *, dense: bool) -> LabelledVolume:
    grey = image_from_array(labels.astype(np.float32), axes="yx")
    code = LabelCode((0, 1), dense=dense, foreground=False)
    return LabelledVolume(grey, image_from_array(labels, axes="yx"), 0, 0, code)


def strokes(columns: int) -> NDArray[np.uint8]:
    labels = np.zeros((40, 40), np.uint8)
    labels[5, :columns], labels[30, :columns] = 1, 255
    return labels


def sampler(volumes: list[LabelledVolume]) -> tuple[Sampler, list[Positions]]:
    found = [finish(label_positions(each)) for each in volumes]
    whole = Sampler(volumes, [UNCHANGED] * len(volumes), LabelIndex.from_volumes(found), (8, 8))
    return whole, [Positions.of(each, number) for number, each in enumerate(found)]


def drawn(mixed: Sampler, draws: int = 2000) -> Counter[int]:
    rng = np.random.default_rng(0)
    return Counter(mixed.place(rng)[0] for _ in range(draws))


def test_half_of_the_patches_are_new_however_few_the_new_labels_are() -> None:
    whole, (old, new) = sampler([volume(strokes(40), dense=False), volume(strokes(2), dense=False)])
    counts = drawn(with_replay(whole, new, old))
    assert counts[1] / 2000 == pytest.approx(0.5, abs=0.05)


def test_dense_and_sparse_labels_of_earlier_rounds_are_both_replayed() -> None:
    blob = np.zeros((40, 40), np.uint8)
    blob[10:20, 10:20] = 1
    volumes = [
        volume(strokes(3), dense=False),
        volume(blob, dense=True),
        volume(strokes(9), dense=False),
    ]
    whole, (new, dense, sparse) = sampler(volumes)
    mixed = with_replay(whole, new, Positions.join([dense, sparse]))
    counts = drawn(mixed)
    assert counts[0] / 2000 == pytest.approx(0.5, abs=0.05)
    assert counts[1] / 2000 == pytest.approx(0.25, abs=0.05)
    rng = np.random.default_rng(0)
    for _ in range(50):  # patches of strokes are around strokes, whatever the other images are
        number, box = mixed.place(rng)
        if number != 1:
            inside = box.intersect(Box.whole((40, 40)))
            assert volumes[number].read_target(inside).any()


def test_shares_are_those_of_the_patches_and_add_up() -> None:
    whole, (old, new) = sampler([volume(strokes(40), dense=False), volume(strokes(2), dense=False)])
    mixed = with_replay(whole, new.where({1: np.zeros(2, bool), 2: np.ones(2, bool)}), old)
    assert mixed.shares == pytest.approx([0.25, 0.75])
    assert sum(with_replay(whole, new, old).shares) == pytest.approx(1)


def test_with_one_half_alone_nothing_is_mixed() -> None:
    whole, (old, _) = sampler([volume(strokes(40), dense=False), volume(strokes(2), dense=False)])
    assert type(with_replay(whole, Positions(), old)) is Sampler
    assert set(drawn(with_replay(whole, Positions(), old))) == {0}
