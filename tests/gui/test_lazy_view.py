"""LazyView and Arranged read what NumPy reads, and no more."""

from typing import Any

import numpy as np
import pytest

from napari_ziggurat.gui.lazy_view import Arranged, LazyView, full_key


class Watched:
    """An array that remembers what was read of it, and takes nothing but slices."""

    def __init__(self, data: Any) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.chunks = (2,) * data.ndim
        self.read: list[tuple[int, ...]] = []

    def __getitem__(self, key: tuple[slice, ...]) -> Any:
        part = self.data[key]
        self.read.append(part.shape)
        return part


def some_array(shape: tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


def random_key(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Any, ...]:
    key: list[Any] = []
    for length in shape:
        (start, stop) = sorted(rng.integers(0, length + 1, 2).tolist())
        step = int(rng.integers(1, 3))
        single = rng.random() < 0.4
        key.append(int(rng.integers(-length, length)) if single else slice(start, stop, step))
    return tuple(key[: rng.integers(1, len(shape) + 1)])


def test_a_lazy_view_reads_what_numpy_reads() -> None:
    data = some_array((6, 30, 28))
    rng = np.random.default_rng(1)
    for _ in range(200):
        key = random_key(data.shape, rng)
        np.testing.assert_array_equal(np.asarray(LazyView(data)[key]), data[key])


def test_slices_read_nothing_and_a_plane_reads_that_plane() -> None:
    array = Watched(some_array((6, 30, 28)))
    window = LazyView(Arranged(array, "zyx", "zyx"))[:, 2:12, 3:9]
    assert array.read == []
    np.testing.assert_array_equal(window[4], array.data[4, 2:12, 3:9])
    assert array.read == [(1, 10, 6)]


def test_windows_of_windows_count_from_their_own_start() -> None:
    data = some_array((9, 20))
    window = LazyView(data)[2:8][1:4, 5:][:, :-3]
    np.testing.assert_array_equal(np.asarray(window), data[2:8][1:4, 5:][:, :-3])
    assert window.shape == (3, 12)


@pytest.mark.parametrize("key", [(6,), (-7,), (0, 0, 0, 0)])
def test_an_index_outside_is_refused(key: tuple[int, ...]) -> None:
    with pytest.raises(IndexError):
        LazyView(some_array((6, 30, 28)))[key]


def test_an_ellipsis_stands_for_the_axes_that_are_not_named() -> None:
    assert full_key((..., 3), 3) == (slice(None), slice(None), 3)
    assert full_key(1, 2) == (1, slice(None))


def test_axes_are_put_in_another_order_added_and_fixed() -> None:
    data = some_array((3, 4, 5, 6))
    shown = Arranged(data, "czyx", "tyzx", lengths={"t": 2}, fixed={"c": 1})
    wanted = np.broadcast_to(data[1].transpose(1, 0, 2), (2, 5, 4, 6))
    assert shown.shape == wanted.shape
    rng = np.random.default_rng(2)
    for _ in range(200):
        key = random_key(shown.shape, rng)
        np.testing.assert_array_equal(shown[key], wanted[key])


def test_only_the_channel_that_is_shown_is_read() -> None:
    array = Watched(some_array((3, 4, 8, 8)))
    Arranged(array, "czyx", "zyx", fixed={"c": 2})[1]
    assert array.read == [(1, 1, 8, 8)]


def test_chunks_follow_the_axes() -> None:
    array = Watched(some_array((3, 4, 8, 8)))
    assert Arranged(array, "czyx", "tzyx", lengths={"t": 7}, fixed={"c": 0}).chunks == (1, 2, 2, 2)
