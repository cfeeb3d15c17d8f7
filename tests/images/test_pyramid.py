"""Pyramids: majority for labels, mean for images, shard by shard."""

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import OutputGrid, create_output, fill_coarser, open_output
from napari_ziggurat.images.pyramid import majority, mean


def majority_by_hand(window: np.ndarray) -> int:
    values, counts = np.unique(window, return_counts=True)
    tied = values[counts == counts.max()]
    return int(min((v for v in tied if v), default=0))


def windows(array: np.ndarray, factors: tuple[int, ...]) -> dict[tuple[int, ...], np.ndarray]:
    shape = tuple(-(-n // f) for n, f in zip(array.shape, factors, strict=True))
    return {
        index: array[tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))]
        for index in np.ndindex(shape)
    }


small_labels = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16, np.uint32, np.int32]),
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=5),
    elements=st.integers(0, 3),
)


@settings(max_examples=150)
@given(labels=small_labels, factors=st.tuples(*[st.sampled_from([1, 2])] * 3))
def test_majority_is_the_most_frequent_value_and_ties_go_to_the_smallest_class(
    labels: np.ndarray, factors: tuple[int, ...]
) -> None:
    found = majority(labels, factors)
    assert found.dtype == labels.dtype
    for index, window in windows(labels, factors).items():
        assert found[index] == majority_by_hand(window)


def test_background_loses_a_tie() -> None:
    labels = np.array([[0, 0], [9, 4]], np.uint8)
    assert majority(labels[:, 1:], (2, 1)).tolist() == [[4]]
    assert majority(labels, (2, 2)).tolist() == [[0]]  # 0 occurs twice
    assert majority(np.array([[255, 0]], np.uint8), (1, 2)).tolist() == [[255]]


@settings(max_examples=60)
@given(
    image=hnp.arrays(
        np.uint16,
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=5),
        elements=st.integers(0, 999),
    )
)
def test_mean_is_the_rounded_mean_of_each_window(image: np.ndarray) -> None:
    factors = (2,) * image.ndim
    found = mean(image, factors)
    for index, window in windows(image, factors).items():
        assert found[index] == np.rint(window.mean())


def grid(axes: str, shape: tuple[int, ...], dtype: str, shard: int = 256) -> OutputGrid:
    dims, leading = Axes(axes).dims, len(shape) - Axes(axes).dims
    return OutputGrid(
        Axes(axes),
        shape,
        np.dtype(dtype),
        Spacing((2.0, 1.0, 1.0)[-dims:], "um"),
        (0.0,) * dims,
        (1,) * leading + (16, 64, 64)[-dims:],
        (1,) * leading + (16, shard, shard)[-dims:],
    )


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize(
    ("axes", "shape"), [("zyx", (9, 601, 530)), ("yx", (1201, 90)), ("tczyx", (2, 2, 3, 515, 70))]
)
def test_every_level_is_made_of_the_finer_one(
    axes: str, shape: tuple[int, ...], version: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    arrays = create_output(
        tmp_path / "a.zarr", grid(axes, shape, "uint8"), kind="labels", version=version
    )
    arrays[0][...] = rng.integers(0, 4, shape, dtype=np.uint8)
    steps = list(fill_coarser(tmp_path / "a.zarr", "labels"))
    total = steps[-1][1]
    assert steps == [(i, total) for i in range(total + 1)]
    for fine, coarse in itertools.pairwise(arrays):
        factors = [-(-n // m) for n, m in zip(fine.shape, coarse.shape, strict=True)]
        np.testing.assert_array_equal(coarse[...], majority(fine[...], factors))


def test_probabilities_are_averaged(tmp_path: Path) -> None:
    arrays = create_output(tmp_path / "a.zarr", grid("cyx", (2, 600, 600), "float32"), kind="image")
    arrays[0][...] = np.random.default_rng(0).random((2, 600, 600), dtype=np.float32)
    list(fill_coarser(tmp_path / "a.zarr", "image"))
    expected = arrays[0][...].reshape(2, 300, 2, 300, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(arrays[1][...], expected, rtol=1e-6)


def test_levels_that_are_filled_already_are_kept(tmp_path: Path) -> None:
    plane = grid("yx", (1100, 1100), "uint8")
    arrays = create_output(tmp_path / "a.zarr", plane, kind="labels")
    arrays[1][...] = 3  # level 0 is left empty
    steps = list(fill_coarser(tmp_path / "a.zarr", "labels", filled=2))
    assert len(arrays) == 3
    assert steps[-1][0] == steps[-1][1] > 0
    assert (arrays[1][...] == 3).all()
    assert (arrays[2][...] == 3).all()


def test_a_small_image_has_no_coarser_level(tmp_path: Path) -> None:
    create_output(tmp_path / "a.zarr", grid("yx", (100, 100), "uint8"), kind="labels")
    assert list(fill_coarser(tmp_path / "a.zarr", "labels")) == [(0, 0)]
    assert len(open_output(tmp_path / "a.zarr")) == 1


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    def peak(side: int) -> int:
        path = tmp_path / f"{side}.zarr"
        create_output(path, grid("zyx", (16, side, side), "uint8"), kind="labels")
        tracemalloc.start()
        list(fill_coarser(path, "labels"))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(600)  # what is imported and cached by the first run
    assert peak(2400) < 1.2 * peak(1200)
