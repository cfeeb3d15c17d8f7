"""What napari paints on: an annotation with the axes of a layer, or a part of it."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.annotate.paintable import Paintable
from napari_ziggurat.images import image_from_array
from napari_ziggurat.images.annotation_store import AnnotationStore, SparseLabels

SHAPE = (5, 37, 41)


@pytest.fixture
def labels(tmp_path: Path) -> Any:
    image = image_from_array(np.zeros(SHAPE, np.uint8), axes="zyx", name="a")
    with AnnotationStore.create(image, 0, tmp_path / "a.ome.zarr") as store:
        yield SparseLabels(store, each=False)


@pytest.mark.parametrize(
    ("onto", "box"),
    [
        ("zyx", None),
        ("xyz", None),
        ("yzx", Box((1, 5, 7), (4, 30, 41))),
    ],
)
def test_it_is_painted_as_a_numpy_array_is(labels: Any, onto: str, box: Box | None) -> None:
    rng = np.random.default_rng(0)
    data = Paintable(labels, onto, box=box)
    dense = np.zeros(data.shape, np.uint8)
    for _ in range(100):
        key: list[Any] = []
        for length in data.shape:
            (start, stop) = sorted(rng.integers(0, length + 1, 2).tolist())
            single = rng.random() < 0.4
            key.append(int(rng.integers(-length, length)) if single else slice(start, stop))
        shape = dense[tuple(key)].shape
        value = 3 if rng.random() < 0.5 else rng.integers(0, 255, shape).astype(np.uint8)
        (data[tuple(key)], dense[tuple(key)]) = (value, value)
        read = data[tuple(key)]
        np.testing.assert_array_equal(read, dense[tuple(key)])
        assert read.flags.writeable, "napari paints on what it has read"
    np.testing.assert_array_equal(np.asarray(data), dense)
    whole = Box.whole(data.shape)
    labels.flush()
    stored = labels.store.read(data.to_annotation(whole))
    np.testing.assert_array_equal(stored, dense.transpose([onto.index(a) for a in "zyx"]))


def test_channels_have_one_annotation_and_painting_in_one_paints_in_all(labels: Any) -> None:
    data = Paintable(labels, "zcyx", {"c": 3})
    data[2, 1, 4:6, 5:9] = 7
    assert (data[2, 0, 4:6, 5:9] == 7).all()
    region = data[1, :, 0:4, 0:4]
    region[2, 1, 1] = 4  # as a brush through several channels does
    data[1, :, 0:4, 0:4] = region
    assert labels[1, 1, 1] == 4
    assert labels[1, 0:4, 0:4].sum() == 4


def test_a_duplicate_is_an_array_in_memory(labels: Any) -> None:
    data = Paintable(labels, "zyx")
    data[0, 0, 0] = 1
    twin = copy.deepcopy(data)
    assert isinstance(twin, np.ndarray)
    twin[0, 0, 0] = 9
    assert data[0, 0, 0] == 1


def test_what_does_not_fit_into_memory_is_refused_in_words(
    labels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ziggurat.gui.annotate.paintable._MOST", 10)
    with pytest.raises(InputError, match="annotation export"):
        np.asarray(Paintable(labels, "zyx"))


def test_a_stamp_of_the_brush_reads_no_more_than_it_paints_on(
    labels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari.layers import Labels

    layer = Labels(Paintable(labels, "zyx"), multiscale=False)
    (read, sizes) = (labels.store.read, [])

    def counted(box: Box) -> Any:
        sizes.append(box.size)
        return read(box)

    monkeypatch.setattr(labels.store, "read", counted)
    layer.brush_size = 3
    layer.paint((2, 20, 20), 1, refresh=False)
    assert sizes
    assert max(sizes) <= 5 * 5
    np.testing.assert_array_equal(np.asarray(layer.data[2]), np.asarray(layer.data)[2])
    assert layer.data[2][20, 20] == 1
