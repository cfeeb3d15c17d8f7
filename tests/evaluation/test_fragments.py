"""Components of blocks are those of the whole image, with the same numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_ziggurat.evaluation.fragments import Fragments
from napari_ziggurat.geometry import BlockGrid, Box


def cut(shape: tuple[int, ...], block: tuple[int, ...]) -> list[Box]:
    return [part.write_box for part in BlockGrid(Box.whole(shape), block)]


def label(inside: np.ndarray, boxes: list[Box], *, corners: bool) -> np.ndarray:
    """Label by blocks."""
    fragments = Fragments(inside.shape, corners=corners)
    names = np.zeros(inside.shape, np.int64)
    for box in boxes:
        names[box.slices] = fragments.label(inside[box.slices], box)
    return fragments.objects()[names]


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=3).map(tuple),
    st.lists(st.integers(1, 6), min_size=3, max_size=3),
    st.floats(0, 1), st.booleans(), st.randoms(use_true_random=False),
)  # fmt: skip
def test_blocks_in_any_order_give_the_numbers_of_the_whole(
    shape, block, filled, corners, random
) -> None:
    inside = np.random.default_rng(random.randrange(2**32)).random(shape) < filled
    boxes = cut(shape, tuple(block[: len(shape)]))
    random.shuffle(boxes)
    reach = len(shape) if corners else 1
    structure = ndimage.generate_binary_structure(len(shape), reach)
    expected, _ = ndimage.label(inside, structure)
    np.testing.assert_array_equal(label(inside, boxes, corners=corners), expected)


@pytest.mark.parametrize("corners", [True, False])
def test_objects_that_touch_at_a_corner_of_four_blocks(corners: bool) -> None:
    inside = np.zeros((4, 4), bool)
    inside[1, 2] = inside[2, 1] = True
    assert label(inside, cut((4, 4), (2, 2)), corners=corners).max() == (1 if corners else 2)


def test_one_object_crosses_sixty_blocks_and_one_fills_all() -> None:
    snake = np.zeros((3, 120), bool)
    snake[1] = True
    assert label(snake, cut((3, 120), (3, 2)), corners=False).max() == 1
    full = np.ones((6, 6, 6), bool)
    assert (label(full, cut((6, 6, 6), (2, 3, 1)), corners=True) == 1).all()


def test_voxels_may_be_further_than_32_bits_count() -> None:
    shape = (2**13, 2**12, 2**12)  # 2 ** 37 voxels, of which two blocks hold something
    fragments = Fragments(shape, corners=True)
    end = tuple(n - 2 for n in shape)
    for start in (end, tuple(n - 1 for n in shape)):
        box = Box(start, tuple(a + 1 for a in start))
        fragments.label(np.ones((1, 1, 1), bool), box)
    assert fragments.objects().tolist() == [0, 1, 1]


def test_an_empty_image_has_no_object() -> None:
    assert label(np.zeros((4, 4), bool), cut((4, 4), (2, 2)), corners=True).max() == 0
