"""Changes: strokes are told once, whoever painted them."""

from pathlib import Path

import numpy as np

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.images.annotation_store import AnnotationStore
from napari_ziggurat.images.annotation_store.changes import Changes

ONE, TWO, THREE = (Box((n, 0), (n + 1, 4)) for n in range(3))


def test_only_strokes_since_the_last_call_are_told(tmp_path: Path) -> None:
    image = image_from_array(np.zeros((8, 8), np.uint8), axes="yx")
    with AnnotationStore.create(image, 0, tmp_path / "a.ome.zarr") as store:
        from_the_start = Changes(AnnotationStore.open(store.path))  # of another opener
        store.write(ONE, 1)
        changes = Changes(store)
        store.write(TWO, 2)
        store.write(THREE, 0)
        assert [each.box for each in changes.new()] == [TWO, THREE]
        assert changes.new() == []
        assert [each.box for each in from_the_start.new()] == [ONE, TWO, THREE]


def test_a_line_that_is_half_written_is_told_when_it_is_whole(tmp_path: Path) -> None:
    image = image_from_array(np.zeros((8, 8), np.uint8), axes="yx")
    with AnnotationStore.create(image, 0, tmp_path / "a.ome.zarr") as store:
        store.write(ONE, 1)
        history = store.path / ".ziggurat" / "history.jsonl"
        line = history.read_bytes()
        changes = Changes(store)
        with history.open("ab") as file:
            file.write(line[:20])
            file.flush()
            assert changes.new() == []
            file.write(line[20:])
        assert [each.box for each in changes.new()] == [ONE]
