"""What a block holds depends on the image and the model alone, not on how it is cut."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from models import tiny_model
from napari_ziggurat.geometry import BlockGrid, Box, Lattice
from napari_ziggurat.inference.block import CellPredictor, WindowReader
from napari_ziggurat.inference.labels import Decided, Decision
from napari_ziggurat.inference.levels import finest_level
from napari_ziggurat.inference.predictor import Predictor

CPU = torch.device("cpu")
SOFTMAX = Decision((0, 1, 5), labels=False, probabilities=True)
Decide = Callable[[torch.Tensor], Decided]


def _as_it_is(logits: torch.Tensor) -> Decided:
    return Decided(None, logits.numpy())


def _assemble(
    image: NDArray[np.float32],
    lattice: Lattice,
    predictor: Predictor,
    block: tuple[int, ...],
    decide: Decide = SOFTMAX,
) -> NDArray[np.float32]:
    reader = WindowReader(lambda box: image[(slice(None), *box.slices)], lambda x: x, flat=False)
    cells = CellPredictor(lattice, (finest_level(len(lattice.shape)),), decide, predictor)
    whole = Box.whole(lattice.shape)
    out: NDArray[np.float32] | None = None
    for each in BlockGrid(whole, block):
        for piece in cells.predict(each.write_box, reader):
            (values,) = piece.probabilities
            if out is None:
                out = np.full((len(values), *lattice.shape), np.nan, np.float32)
            box = piece.box.intersect(each.write_box)
            here, there = box.slices, box.relative_to(piece.box.start).slices
            assert np.isnan(out[(slice(None), *here)]).all(), "a voxel was written twice"
            out[(slice(None), *here)] = values[(slice(None), *there)]
    assert out is not None
    return out


@settings(max_examples=30)
@given(st.data())
def test_the_identity_network_gives_back_the_input_exactly(data: st.DataObject) -> None:
    axes = data.draw(st.integers(2, 3))
    shape = tuple(data.draw(st.integers(1, 20)) for _ in range(axes))
    block = tuple(data.draw(st.integers(1, n)) for n in shape)
    image = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    lattice = Lattice(shape, (8,) * axes, (2,) * axes, (2,) * axes)
    with Predictor(nn.Identity(), CPU, threads=2) as predictor:
        assert np.array_equal(_assemble(image, lattice, predictor, block, _as_it_is), image)


@settings(max_examples=10)
@given(st.data())
def test_result_does_not_depend_on_block_shape_or_threads(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.integers(20, 90)) for _ in range(2))
    block = tuple(data.draw(st.integers(10, n)) for n in shape)
    image = np.random.default_rng(1).normal(size=(1, *shape)).astype(np.float32)
    lattice = Lattice(shape, (48, 48), (16, 16), (2, 2))
    found = []
    for cut, threads in ((shape, 1), (block, 3)):
        with Predictor(tiny_model().network, CPU, threads=threads) as predictor:
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
    with Predictor(tiny_model().network, CPU) as predictor:
        cells = CellPredictor(lattice, (finest_level(2),), SOFTMAX, predictor)
        with pytest.raises(OSError, match="disk gone"):
            list(cells.predict(Box.whole((40, 40)), reader))


def test_by_default_there_are_as_many_threads_as_cores_may_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    with Predictor(nn.Identity(), CPU) as predictor:
        assert predictor.threads == 1
