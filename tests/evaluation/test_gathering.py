"""Whatever the blocks are, all measures are those of the image in memory; sizes add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.evaluation.comparison import Comparison
from napari_ziggurat.evaluation.gathering import Gathering, grown
from napari_ziggurat.evaluation.sizes import SizeBounds
from napari_ziggurat.geometry import BlockGrid, Box

SPACING = (3.0, 1.0, 0.5)
KINDS = [(None, None), ("ids", "ids"), ("ids", "components"), ("between", "between")]


def cut(shape: tuple[int, ...], block: tuple[int, ...]) -> list[Box]:
    return [part.write_box for part in BlockGrid(Box.whole(shape), block)]


def compare(truth, prediction, boxes, kinds, keep=None) -> Comparison:
    shape = truth.shape
    gathering = Gathering(1, shape, SPACING[-truth.ndim :], 1.0, kinds)
    gaps = kinds[0] == "between"
    for box in boxes:
        around = [each[grown(box, shape).slices] for each in (truth, prediction)]
        inside = tuple(each == 0 if gaps else each != 0 for each in around)
        ids = tuple(
            each[box.slices] if kind == "ids" else None
            for each, kind in zip((truth, prediction), kinds, strict=True)
        )
        gathering.add(box, inside, ids, None if keep is None else keep[box.slices])
    return gathering.finish()


def everything(comparison: Comparison, bounds: SizeBounds) -> list:
    return [comparison.tally(), *comparison.tallies_by_size(bounds)]


def draw(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pieces of random sizes, a prediction that errs in all ways, and a mask."""
    rng = np.random.default_rng(seed)
    coarse = tuple(-(-n // 2) for n in shape)
    both = []
    for _ in range(2):
        ids = rng.integers(0, 5, coarse).astype(np.uint16)
        for axis, n in enumerate(shape):
            ids = np.repeat(ids, 2, axis).take(range(n), axis)
        both.append(ids)
    mixed = np.where(rng.random(shape) < 0.6, both[0], both[1])
    return both[0], mixed, rng.random(shape) < 0.8


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 8), min_size=2, max_size=3).map(tuple),
    st.lists(st.integers(1, 5), min_size=3, max_size=3),
    st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.booleans(),
)  # fmt: skip
def test_blocks_give_the_numbers_of_the_image_in_memory(shape, block, kinds, seed, masked) -> None:
    truth, prediction, mask = draw(shape, seed)
    keep = mask if masked else None
    whole = compare(truth, prediction, [Box.whole(shape)], kinds, keep)
    boxes = cut(shape, tuple(block[: len(shape)]))
    np.random.default_rng(seed).shuffle(boxes)
    parts = compare(truth, prediction, boxes, kinds, keep)
    bounds = SizeBounds(3.0, 9.0)
    assert everything(parts, bounds) == everything(whole, bounds)
    if not len(whole.matching.truth):
        return
    assert whole.matching.iou.tolist() == parts.matching.iou.tolist()


@settings(max_examples=40)
@given(st.sampled_from(KINDS[1:]), st.integers(0, 2**32 - 1))
def test_sizes_add_up_to_the_whole(kinds, seed) -> None:
    truth, prediction, _ = draw((9, 9), seed)
    comparison = compare(truth, prediction, [Box.whole(truth.shape)], kinds)
    whole, sizes = comparison.tally(), comparison.tallies_by_size(SizeBounds(2.0, 5.0))
    added = sizes[0] + sizes[1] + sizes[2]
    assert added.overlap == whole.overlap
    for name in ("truth", "prediction", "hits", "false", "splits", "merges"):
        assert getattr(added.objects, name) == getattr(whole.objects, name)
    assert added.objects.iou == pytest.approx(whole.objects.iou)
    assert (added.surface.within, added.surface.points) == (
        whole.surface.within, whole.surface.points,
    )  # fmt: skip


def test_sizes_by_hand() -> None:
    truth = np.zeros((4, 20), np.uint8)
    truth[1, 1:3] = 1  # small, missed
    truth[1, 5:10] = 2  # medium, found but for one voxel
    truth[1:3, 12:19] = 3  # large, found
    prediction = truth * (truth > 1)
    prediction[1, 5] = 0
    prediction[3, 0:2] = 9  # small, invented
    comparison = compare(truth, prediction, [Box.whole(truth.shape)], ("ids", "ids"))
    small, medium, large = comparison.tallies_by_size(SizeBounds(2.0, 5.0))  # voxels are 0.5
    assert [t.objects.truth for t in (small, medium, large)] == [1, 1, 1]
    assert [t.objects.ap[0] for t in (small, medium, large)] == [0.0, 1.0, 1.0]
    assert (small.objects.false[0], small.overlap.dice) == (1, 0.0)
    assert medium.overlap.dice == pytest.approx(8 / 9)
    assert medium.objects.pq == pytest.approx(4 / 5)
    assert large.objects.pq == large.surface.surface_dice == 1.0


def test_terciles_are_about_equally_many_and_coco_counts_voxels() -> None:
    voxels = np.arange(1, 10)
    bounds = SizeBounds.terciles(voxels * 0.5)
    assert np.bincount(bounds.bins(voxels, 0.5)).tolist() == [3, 3, 3]
    coco = SizeBounds.coco(2)
    assert coco.bins(np.array([1023, 1024, 9215, 9216]), 0.01).tolist() == [0, 1, 1, 2]
    assert SizeBounds.coco(3).bins(np.array([32**3 - 1, 96**3]), 0.01).tolist() == [0, 2]


def test_boxes_hold_the_objects_of_the_truth() -> None:
    truth = np.zeros((6, 9), np.uint8)
    truth[1:4, 2:5], truth[5, 8] = 4, 7
    boxes = compare(truth, truth, cut((6, 9), (2, 3)), ("ids", "ids")).boxes
    assert str(boxes.box(4)) == "1:4,2:5"
    assert str(boxes.box(7)) == "5:6,8:9"
    assert boxes.box(5) is None
