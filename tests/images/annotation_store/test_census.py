"""Voxels are counted stroke by stroke, and the counts are those of the whole annotation."""

from pathlib import Path

import numpy as np

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.images.annotation_store import AnnotationStore, Census


def test_counts_follow_strokes_erasing_and_reopening(tmp_path: Path) -> None:
    image = image_from_array(np.zeros((20, 200, 300), np.uint8), axes="zyx", name="a")
    rng = np.random.default_rng(0)
    with AnnotationStore.create(image, 0, tmp_path / "a.ome.zarr") as store:
        census = Census(store)
        assert (census.counts, census.labelled) == ({}, 0)
        for value in (1, 2, 255, 0, 1, 0, 3):
            start = rng.integers(0, (15, 150, 200))
            stop = np.add(start, (5, 50, 100))
            record = store.write(Box(tuple(start.tolist()), tuple(stop.tolist())), value)
            census.update(record.box)
            assert census.counts == store.counts()
        assert census.labelled == sum(store.counts().values())
        assert Census(store).counts == census.counts
        for index in census.holding(1):
            assert (store.read(store.chunks.box(index)) == 1).any()
        store.write(Box.whole(store.shape), 0)
        census.update(Box.whole(store.shape))
        assert census.counts == {}
        assert census.holding(1) == []
