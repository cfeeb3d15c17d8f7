"""Label cells: an index that is kept up to date is the one that is made anew."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.geometry import BlockGrid, Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.networks import Intensity
from napari_ziggurat.training.label_cells import LabelCells
from napari_ziggurat.training.newest import NewestSampler
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume

CODE = LabelCode((0, 1, 2), dense=False, foreground=False)
SHAPE = (20, 24)
CELLS = [each.write_box for each in BlockGrid(Box.whole(SHAPE), (8, 8))]


def cells_of(labels: np.ndarray) -> LabelCells:
    cells = LabelCells(timed=False)
    for box in CELLS:
        cells.put(box, labels[box.slices])
    return cells


def same(one: LabelCells, other: LabelCells) -> bool:
    (a, b) = (one.index(CODE), other.index(CODE))
    alike = all(np.array_equal(a.positions[v], b.positions[v]) for v in a.positions)
    return alike and a.shares == b.shares and set(a.positions) == set(b.positions)


@settings(max_examples=30)
@given(st.lists(st.tuples(*(st.integers(0, n) for n in (19, 23)), st.sampled_from([0, 1, 2, 255])),
                max_size=12))  # fmt: skip
def test_an_index_after_many_strokes_is_that_of_the_labels(strokes: list[tuple[int, ...]]) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    cells = cells_of(labels)
    for y, x, value in strokes:
        stroke = Box((y, x), (y + 5, x + 5)).intersect(Box.whole(SHAPE))
        labels[stroke.slices] = value
        for box in CELLS:
            if box.intersect(stroke).size:
                cells.put(box, labels[box.slices])
    assert same(cells, cells_of(labels))
    assert cells.count == np.count_nonzero(labels)


def test_the_index_holds_each_label_with_its_target() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[3, 5], labels[12, 20], labels[13, 20] = 255, 2, 7
    index = cells_of(labels).index(CODE)
    assert {v: rows.tolist() for v, rows in index.positions.items()} == {
        1: [[0, 3, 5]], 3: [[0, 12, 20]],
    }  # fmt: skip
    assert index.shares == {1: 0.5, 3: 0.5}


def test_half_of_the_patches_lie_around_the_newest_strokes() -> None:
    labels = np.zeros((200, 200), np.uint8)
    labels[10:20, 10:190], labels[30:40, 10:190], labels[180:184, 180:184] = 1, 2, 1
    cells = LabelCells(timed=False)
    cells.put(Box.whole(labels.shape), labels)
    image = image_from_array(labels, axes="yx")
    volume = LabelledVolume(image, image, 0, 0, CODE)
    plain = Intensity((0.0,), (1.0,), (0.0,), (1.0,))
    newest = cells.index(CODE, [Box((180, 180), (184, 184))])
    sampler = NewestSampler([volume], [plain], cells.index(CODE), (16, 16), newest=newest)
    rng = np.random.default_rng(0)
    low = [sampler.place(rng)[1].start[0] > 100 for _ in range(400)]
    assert 0.4 < np.mean(low) < 0.6
