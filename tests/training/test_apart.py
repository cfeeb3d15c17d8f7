"""Apart: what is scored is far from what is trained on, and enough is left to train on."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.training.apart import Candidates, keep_apart
from napari_ziggurat.training.replay import Positions
from napari_ziggurat.training.silenced import SilencedVolume
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume

SHAPE = (120, 120)


def positions(rows: dict[int, list[tuple[int, int]]], number: int = 0) -> Positions:
    arrays = {
        value: np.array([(number, *row) for row in each], np.int64)
        for value, each in rows.items()
        if each
    }
    return Positions(arrays, {value: 10.0 * len(each) for value, each in arrays.items()})


def spots(centres: list[tuple[int, int]], side: int = 4) -> list[tuple[int, int]]:
    return [(y + i, x + j) for y, x in centres for i in range(side) for j in range(side)]


def candidates(unseen: Positions, seen: Positions | None = None, **more: object) -> Candidates:
    values = {
        "shapes": [SHAPE] * 2, "images": [0, 1], "unseen": unseen, "seen": seen or Positions(),
        "fixed": (), "chooses": True, "cell": (16, 16), "margin": (8, 8),
    }  # fmt: skip
    return Candidates(**values | more)


def distance(rows: NDArray[np.int64], number: int, box: Box) -> NDArray[np.int64]:
    """How far rows of a volume are from a box, along the axis on which they are farthest."""
    here = rows[rows[:, 0] == number, 1:]
    outside = np.maximum(np.array(box.start) - here, here - np.array(box.stop) + 1)
    return outside.max(axis=1, initial=-1000)


PLACES = st.lists(
    st.tuples(st.integers(0, 110), st.integers(0, 110)), min_size=1, max_size=12, unique=True
)


@settings(max_examples=40)
@given(PLACES, PLACES, PLACES, st.integers(0, 5))
def test_nothing_near_a_block_is_trained_on_and_half_of_each_class_is(
    first: list[tuple[int, int]],
    second: list[tuple[int, int]],
    old: list[tuple[int, int]],
    seed: int,
) -> None:
    unseen = positions({1: spots(first), 2: spots(second)})
    seen = positions({1: spots(old)})
    apart = keep_apart(candidates(unseen, seen), seed)
    for number, box in apart.blocks:
        for left in (*apart.unseen.rows.values(), *apart.seen.rows.values()):
            assert (distance(left, number, box) > 8).all()
        for rows in seen.rows.values():
            assert (distance(rows, number, box) > 0).all()
    for value, rows in unseen.rows.items():
        assert len(apart.unseen.rows[value]) >= len(rows) / 2


def test_a_part_of_scattered_labels_is_held_out_and_every_class_is_scored() -> None:
    grid = [(y, x) for y in range(2, 118, 40) for x in range(2, 118, 40)]
    apart = keep_apart(
        candidates(positions({1: spots(grid), 2: spots([(y, x + 6) for y, x in grid])})), 0
    )
    left = sum(map(len, apart.unseen.rows.values()))
    assert apart.blocks
    assert 0.74 < left / (2 * 9 * 16) < 0.95


def test_labels_in_one_place_are_all_trained_on() -> None:
    unseen = positions({1: spots([(50, 50)]), 2: spots([(55, 50)])})
    apart = keep_apart(candidates(unseen), 0)
    assert apart.blocks == ()
    assert apart.unseen is unseen


def test_blocks_of_earlier_rounds_stay_out_though_nothing_more_is_held_out() -> None:
    box = Box((40, 40), (60, 60))
    old = positions({1: spots([(45, 45), (100, 100)]), 2: spots([(50, 50), (10, 10)])})
    apart = keep_apart(candidates(Positions(), old, fixed=[(0, box)], chooses=False), 0)
    assert apart.blocks == ((0, box),)
    assert {tuple(row) for row in apart.seen.rows[1].tolist()} == {
        (0, *row) for row in spots([(100, 100)])
    }


def test_a_block_is_silent_at_all_time_points_of_its_image_and_no_other() -> None:
    labels = np.ones(SHAPE, np.uint8)
    image = image_from_array(labels, axes="yx")
    volume = LabelledVolume(image, image, 0, 0, LabelCode((0, 1), dense=True, foreground=False))
    given_ = candidates(
        Positions(), images=[0, 0, 2], shapes=[SHAPE] * 3, fixed=[(0, Box((40, 40), (60, 60)))]
    )
    apart = keep_apart(given_, 0)
    one, two, other = apart.silence([volume] * 3, given_)
    for each in (one, two, one.hold()):
        target = each.read_target(Box((20, 0), (120, 120)))
        assert not target[12:48, 32:68].any()
        assert (target > 0).sum() == 100 * 120 - 36 * 36
    assert isinstance(one, SilencedVolume)
    assert other is volume
    assert volume.read_target(Box.whole(SHAPE)).all()  # what is held out can still be scored
