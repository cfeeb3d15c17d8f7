"""What a block holds depends on the image and the model alone, not on how it is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from models import tiny_model
from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.geometry import BlockGrid, Box, Lattice
from napari_ziggurat.inference.block import WindowReader, predict_block
from napari_ziggurat.inference.levels import finest_level
from napari_ziggurat.inference.predictor import Predictor

CPU = torch.device("cpu")


def _assemble(
    image: NDArray[np.float32], lattice: Lattice, predictor: Predictor, block: tuple[int, ...]
) -> NDArray[np.float32]:
    reader = WindowReader(lambda box: image[(slice(None), *box.slices)], lambda x: x, flat=False)
    whole, levels = Box.whole(lattice.shape), [finest_level(len(lattice.shape))]
    pieces = [
        piece
        for each in BlockGrid(whole, block)
        for piece in predict_block(each.write_box, lattice, levels, reader, predictor)
    ]
    out = np.full((pieces[0][1][0].shape[0], *lattice.shape), np.nan, np.float32)
    for box, (values,) in pieces:
        assert np.isnan(out[(slice(None), *box.slices)]).all(), "a voxel was written twice"
        out[(slice(None), *box.slices)] = values
    return out


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_the_identity_network_gives_back_the_input_exactly(data: st.DataObject) -> None:
    axes = data.draw(st.integers(2, 3))
    shape = tuple(data.draw(st.integers(1, 20)) for _ in range(axes))
    block = tuple(data.draw(st.integers(1, n)) for n in shape)
    image = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    lattice = Lattice(shape, (8,) * axes, (2,) * axes, (2,) * axes)
    with Predictor(nn.Identity(), CPU, workers=2, activation="none") as predictor:
        assert np.array_equal(_assemble(image, lattice, predictor, block), image)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_result_does_not_depend_on_block_shape_or_workers(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.integers(20, 90)) for _ in range(2))
    block = tuple(data.draw(st.integers(10, n)) for n in shape)
    image = np.random.default_rng(1).normal(size=(1, *shape)).astype(np.float32)
    lattice = Lattice(shape, (48, 48), (16, 16), (2, 2))
    found = []
    for cut, workers in ((shape, 1), (block, 3)):
        with Predictor(tiny_model().network, CPU, workers=workers) as predictor:
            found.append(_assemble(image, lattice, predictor, cut))
    assert np.array_equal(*found)


def test_with_enough_rim_the_tiles_equal_one_pass_over_the_whole_image() -> None:
    image = np.random.default_rng(2).normal(size=(1, 130, 94)).astype(np.float32)
    lattice = Lattice((130, 94), (48, 48), (16, 16), (2, 2))
    with Predictor(tiny_model().network, CPU) as predictor:
        tiles = _assemble(image, lattice, predictor, (130, 94))
    with torch.no_grad():
        whole = tiny_model().network(torch.from_numpy(image)[None]).softmax(1)[0].numpy()
    np.testing.assert_allclose(tiles, whole, atol=1e-5)


def test_probabilities_sum_to_one() -> None:
    image = np.random.default_rng(3).normal(size=(1, 40, 40)).astype(np.float32)
    lattice = Lattice((40, 40), (48, 48), (16, 16), (2, 2))
    with Predictor(tiny_model().network, CPU) as predictor:
        found = _assemble(image, lattice, predictor, (40, 40))
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-6)


def test_an_error_while_reading_reaches_the_caller_and_ends_the_threads() -> None:
    def broken(_: Box) -> NDArray[np.float32]:
        raise OSError("disk gone")

    lattice = Lattice((40, 40), (48, 48), (16, 16), (2, 2))
    reader = WindowReader(broken, lambda x: x, flat=False)
    with (
        Predictor(tiny_model().network, CPU) as predictor,
        pytest.raises(OSError, match="disk gone"),
    ):
        list(predict_block(Box.whole((40, 40)), lattice, [finest_level(2)], reader, predictor))


def test_batches_of_one_shape_give_the_same_as_single_windows() -> None:
    image = np.random.default_rng(4).normal(size=(1, 70, 80)).astype(np.float32)
    lattice = Lattice((70, 80), (48, 48), (16, 16), (2, 2))
    with Predictor(tiny_model().network, CPU) as predictor:
        single = _assemble(image, lattice, predictor, (70, 80))
        predictor.device, predictor.batch = torch.device("cpu", 0), 4
        reader = WindowReader(lambda b: image[(slice(None), *b.slices)], lambda x: x, flat=False)
        batched = predictor._batched(
            lattice.cells(Box.whole((70, 80))), reader, lambda cell, p: (cell, p)
        )
        for cell, (values,) in batched:
            inside = cell.box.relative_to(cell.window.start)
            np.testing.assert_allclose(
                values[(slice(None), *inside.slices)],
                single[(slice(None), *cell.box.slices)],
                atol=1e-6,
            )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_runs_out_is_told_with_the_way_out(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        raise error

    with Predictor(nn.Identity(), CPU, workers=3) as predictor:
        monkeypatch.setattr(predictor, "_forward", fail)
        with pytest.raises(WorkFailed, match=r"3 windows of 4 x 5 voxels.*--workers"):
            predictor.compute(np.zeros((1, 1, 4, 5), np.float32))


def test_by_default_there_are_as_many_threads_as_cores_may_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    with Predictor(nn.Identity(), CPU) as predictor:
        assert predictor.workers == 1
