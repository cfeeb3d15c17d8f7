"""Fragments of blocks, joined across seams, are the components of the whole image."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_ziggurat.geometry import BlockGrid, Box
from napari_ziggurat.inference.objects import (
    Components,
    Faces,
    Fragments,
    Ground,
    Joining,
    Layout,
    Parts,
    add_up,
    contacts,
    elongation,
    mean_place,
    measure,
    number_objects,
    seam_steps,
)

cc3d = pytest.importorskip("cc3d")


def in_blocks(labels, block, order, connectivity="full", least=1):
    """Objects of an image, found block by block in some order."""
    grid = BlockGrid(Box.whole(labels.shape), block)
    blocks = list(grid)
    chosen = [blocks[i] for i in np.random.default_rng(order).permutation(len(blocks))]
    find, made = Components(connectivity), {}
    for each in chosen:
        part = labels[each.write_box.slices]
        fragments, _ = find(part)
        made[each.index] = fragments, measure(fragments, part, Ground(each.write_box, labels.shape))
    starts = dict(zip(made, np.cumsum([0, *(len(f) for _, f in made.values())]), strict=False))
    joining = Joining(sum(len(f) for _, f in made.values()))
    for index, step in product(made, seam_steps(labels.ndim, connectivity)):
        other = tuple(i + s for i, s in zip(index, step, strict=True))
        if other in made:
            joining.join(_pairs(made, index, other, step, connectivity, starts))
    columns = [made[i][1] for i in made]
    anchors, voxels = (
        np.concatenate([getattr(c, name) for c in columns]) for name in ("anchors", "voxels")
    )
    numbered = number_objects(joining.roots(), anchors, voxels, least)
    result = np.zeros(labels.shape, np.uint64)
    for index, (fragments, found) in made.items():
        mine = numbered.ids[starts[index] : starts[index] + len(found)]
        box = grid.block(index).write_box
        result[box.slices] = np.concatenate([[np.uint64(0)], mine])[fragments]
    return result


def _pairs(made, index, other, step, connectivity, starts):
    (near, a), (far, b) = made[index], made[other]
    back = tuple(-s for s in step)
    found = contacts(
        Faces.of(near).toward(step),
        Faces.of(far).toward(back),
        (a.classes, b.classes),
        connectivity,
    )
    return found - 1 + np.array([starts[index], starts[other]])


def at_once(labels, connectivity="full", least=1) -> NDArray[np.uint64]:
    """Objects of a whole image, numbered by their first voxel; small ones left out."""
    neighbours = {("full", 2): 8, ("face", 2): 4, ("full", 3): 26, ("face", 3): 6}
    found = cc3d.connected_components(labels, connectivity=neighbours[connectivity, labels.ndim])
    ids, first, count = np.unique(found, return_index=True, return_counts=True)
    kept = (ids > 0) & (count >= least)
    table = np.zeros(int(ids.max()) + 1, np.uint64)
    table[ids[kept][np.argsort(first[kept])]] = np.arange(1, kept.sum() + 1)
    return table[found]


@st.composite
def cases(draw):
    dims = draw(st.sampled_from([2, 3]))
    shape = tuple(draw(st.integers(1, 11)) for _ in range(dims))
    block = tuple(draw(st.integers(1, 6)) for _ in range(dims))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    there = rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.0]))
    labels = (there * rng.integers(1, draw(st.integers(1, 3)) + 1, shape)).astype(np.uint8)
    return labels, block


@settings(max_examples=80)
@given(cases(), st.integers(0, 9), st.sampled_from(["full", "face"]), st.sampled_from([1, 3, 20]))
def test_blocks_of_any_shape_in_any_order_give_the_objects_of_the_whole_image(
    case, order, connectivity, least
) -> None:
    labels, block = case
    found = in_blocks(labels, block, order, connectivity, least)
    np.testing.assert_array_equal(found, at_once(labels, connectivity, least))


def test_voxels_that_touch_at_a_corner_of_four_blocks_are_one_object_unless_faces_count() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1, 1, 1] = labels[2, 2, 2] = 1
    assert in_blocks(labels, (2, 2, 2), 0).max() == 1
    assert in_blocks(labels, (2, 2, 2), 0, "face").max() == 2


def test_two_classes_that_touch_across_a_seam_stay_apart() -> None:
    labels = np.array([[1, 1, 2, 2]], np.uint8)
    np.testing.assert_array_equal(in_blocks(labels, (1, 2), 0), [[1, 1, 2, 2]])


def test_an_object_that_winds_through_fifty_blocks_is_one() -> None:
    labels = np.zeros((101, 9), np.uint8)
    labels[::2] = 1
    labels[1::4, -1] = labels[3::4, 0] = 1  # a meander
    assert len(BlockGrid(Box.whole(labels.shape), (4, 4))) > 50
    assert set(np.unique(in_blocks(labels, (4, 4), 3))) == {0, 1}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60), st.integers(1, 9))
def test_joining_in_any_portions_gives_the_same_groups(pairs, portion) -> None:
    joined, plain = Joining(31), {i: {i} for i in range(31)}
    table = np.array(pairs, np.int64).reshape(-1, 2)
    for start in range(0, len(table), portion):
        joined.join(table[start : start + portion])
    for a, b in pairs:
        group = plain[a] | plain[b]
        plain |= dict.fromkeys(group, group)
    assert joined.roots().tolist() == [min(plain[i]) for i in range(31)]


def test_places_beyond_two_to_the_32_voxels_are_counted_right() -> None:
    shape = (5000, 40_000, 50_000)  # 10^13 voxels
    box = Box((4998, 39_990, 49_990), (5000, 40_000, 50_000))
    part = np.zeros(box.shape, np.uint8)
    part[1, 9, 9] = 1
    found = measure(part.astype(np.uint32), part, Ground(box, shape, time=3))
    assert found.anchors.tolist() == [4 * 5000 * 40_000 * 50_000 - 1]
    assert found.starts.tolist() == [[4999, 39_999, 49_999]]


def test_an_object_larger_than_64_bits_can_sum_is_measured_exactly() -> None:
    """Two voxels with ten thousand million each: what a block says, multiplied."""
    count = 10**13
    ends = [0, 3_000_000]
    parts = [_slab(start, count) for start in ends]
    sums = add_up(lambda: iter(parts), 1, Layout(2))
    assert sums.second.dtype == object
    assert sums.second[0, 0] == sum(count * end * end for end in ends)
    assert mean_place(sums)[0, 0] == 1_500_000


def _slab(start: int, count: int) -> Parts:
    """Make a fragment with so many voxels in one place, as nobody can draw it."""
    zero = np.zeros((1, 2), np.int64)
    fragments = Fragments(
        classes=np.ones(1, np.int64),
        voxels=np.array([count]),
        anchors=np.array([start]),
        starts=np.array([[start, 0]]),
        stops=np.array([[start + 1, 1]]),
        first=zero,
        second=np.zeros((1, 3), np.int64),
        intensity=np.zeros((1, 0), np.int64),
        confidence=np.zeros(0, np.int64),
    )
    return Parts(fragments, (start, 0), np.array([0]), np.array([0]))


def test_measures_are_those_of_numpy_over_the_voxels() -> None:
    rng = np.random.default_rng(0)
    ids = np.zeros((5, 8, 9), np.uint32)
    ids[1:4, 2:7, 3:8] = rng.random((3, 5, 5)) < 0.6
    grey = rng.integers(0, 60_000, (2, *ids.shape)).astype(np.uint16)
    certainty = rng.random(ids.shape).astype(np.float32)
    found = measure(ids, ids.astype(np.uint8) * 7, Ground(Box.whole(ids.shape), ids.shape), grey,
                    certainty)  # fmt: skip
    places = np.argwhere(ids)
    assert found.classes.tolist() == [7]
    assert found.voxels.tolist() == [len(places)]
    assert found.first.tolist() == [places.sum(0).tolist()]
    products = [places[:, a] * places[:, b] for a in range(3) for b in range(a, 3)]
    assert found.second.tolist() == [[int(p.sum()) for p in products]]
    assert found.intensity.tolist() == [grey[:, ids > 0].sum(1, dtype=np.int64).tolist()]
    assert found.confidence[0] / 2**24 == pytest.approx(certainty[ids > 0].sum(), rel=1e-6)


def test_a_cuboid_is_as_elongated_as_it_is_long() -> None:
    labels = np.ones((1, 4, 20), np.uint8)
    ground = Ground(Box.whole(labels.shape), labels.shape)
    part = Parts(measure(labels.astype(np.uint32), labels, ground), (0, 0, 0), np.array([0]),
                 np.array([0]))  # fmt: skip
    sums = add_up(lambda: iter([part]), 1, Layout(3))
    assert elongation(sums, (4.0, 1.0, 1.0)) == pytest.approx([5.0])
    assert elongation(sums, (1.0, 1.0, 1.0)) == pytest.approx([20.0])


def test_joining_a_million_fragments_holds_less_than_two_hundred_bytes_for_each() -> None:
    """Ten million of them thus fit into two gigabytes; benchmarks/objects.py has that many."""
    count, rng = 10**6, np.random.default_rng(0)
    pairs = rng.integers(0, count, (10, count // 20, 2))
    anchors, voxels = rng.permutation(count), np.ones(count, np.int64)
    tracemalloc.start()
    joining = Joining(count)
    for portion in pairs:
        joining.join(portion)
    numbered = number_objects(joining.roots(), anchors, voxels, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert numbered.objects == pytest.approx(count - count // 2, rel=0.02)
    assert peak < 200 * count
