"""Features of surroundings: each cell is computed once, shared, and the same whoever asks."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import tiny_model
from napari_ziggurat.geometry import Box, Lattice, SurroundGrids, SurroundLattice, mirrored
from napari_ziggurat.inference import surroundings as module
from napari_ziggurat.inference.predictor import Predictor
from napari_ziggurat.inference.surroundings import Surroundings
from napari_ziggurat.inference.window import Surrounded
from napari_ziggurat.networks import Model

GRIDS = SurroundGrids((2, 2), (4, 4), (4, 4))
PLANE = np.random.default_rng(0).normal(size=(1, 64, 96)).astype(np.float32)


class Branch:
    """Means of each 2 x 2 voxels, and how often they were asked for."""

    def __init__(self) -> None:
        self.computed = 0
        self._lock = threading.Lock()

    def __call__(self, window: NDArray[np.float32]) -> torch.Tensor:
        with self._lock:
            self.computed += 1
        time.sleep(0.005)  # others come meanwhile
        return torch.from_numpy(window.reshape(1, window.shape[1] // 2, 2, -1, 2).mean((2, 4)))


def read(box: Box, time: int) -> NDArray[Any]:
    y, x = (
        mirrored(range(a, b), n)
        for a, b, n in zip(box.start, box.stop, PLANE.shape[1:], strict=True)
    )
    return PLANE[:, y][:, :, x] + time


@pytest.fixture
def lattice() -> SurroundLattice:
    """Give cells of 8 x 8 coarse voxels for an image of 128 x 192."""
    return SurroundLattice.of(GRIDS, Lattice((128, 192), (16, 16), (0, 0), (4, 4)))


def test_a_window_gets_what_lies_around_it_whichever_cells_that_is_in(
    lattice: SurroundLattice,
) -> None:
    found = Surroundings(lattice, read, Branch(), flat=False)
    whole = torch.from_numpy(PLANE.reshape(1, 32, 2, 48, 2).mean((2, 4)))
    for start, stop in (((0, 0), (16, 16)), ((20, 36), (76, 112)), ((112, 176), (128, 192))):
        window = found.hook(Box(start, stop), 0, lambda x: x)
        inside = tuple(slice(a // 4, b // 4) for a, b in zip(start, stop, strict=True))
        torch.testing.assert_close(window, whole[(slice(None), *inside)])
    later = found.hook(Box((0, 0), (16, 16)), 3, lambda x: 2 * x)
    torch.testing.assert_close(later, 2 * (whole[:, :4, :4] + 3))


def test_threads_that_want_a_cell_compute_it_once(lattice: SurroundLattice) -> None:
    branch = Branch()
    found = Surroundings(lattice, read, branch, flat=False)
    boxes = [Box((y, x), (y + 16, x + 16)) for y in range(0, 112, 8) for x in range(0, 176, 8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda box: found.hook(box, 0, lambda x: x), boxes))
    assert branch.computed == np.prod(lattice.counts)


def test_what_is_kept_is_bounded_and_dropped_cells_are_made_again(
    lattice: SurroundLattice, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = 4 * np.prod([c // 2 for c in lattice.cell_shape])
    monkeypatch.setattr(module, "SURROUND_BYTES", 2 * cell)
    branch = Branch()
    found = Surroundings(lattice, read, branch, flat=False)
    window = Box((0, 0), (8, 8))
    first = found.hook(window, 0, lambda x: x)
    found.hook(Box((0, 32), (8, 40)), 0, lambda x: x)
    found.hook(window, 0, lambda x: x)
    assert branch.computed == 2
    for start in (64, 96):
        found.hook(Box((0, start), (8, start + 8)), 0, lambda x: x)
    assert torch.equal(found.hook(window, 0, lambda x: x), first)
    assert branch.computed == 5


def test_a_cell_that_failed_is_tried_again(lattice: SurroundLattice) -> None:
    fails = iter([True, False])
    branch = Branch()

    def broken(window: NDArray[np.float32]) -> torch.Tensor:
        if next(fails, False):
            raise RuntimeError("no")
        return branch(window)

    found = Surroundings(lattice, read, broken, flat=False)
    with pytest.raises(RuntimeError, match="no"):
        found.hook(Box((0, 0), (8, 8)), 0, lambda x: x)
    assert found.hook(Box((0, 0), (8, 8)), 0, lambda x: x).shape == (1, 2, 2)


def test_planes_of_a_volume_have_surroundings_of_their_own() -> None:
    grids = GRIDS.seen_by(3)
    cells = SurroundLattice.of(grids, Lattice((3, 128, 192), (1, 16, 16), (0, 0, 0), (1, 4, 4)))

    def planes(box: Box, time: int) -> NDArray[Any]:
        plane = read(Box(box.start[1:], box.stop[1:]), time)
        return np.stack([plane + z for z in range(box.start[0], box.stop[0])], axis=1)

    found = Surroundings(cells, planes, Branch(), flat=True)
    first, last = (found.hook(Box((z, 8, 8), (z + 1, 24, 24)), 0, lambda x: x) for z in (0, 2))
    assert first.shape == (1, 4, 4)
    torch.testing.assert_close(last, first + 2)


class Batching(Predictor):
    """A predictor that computes batches as it does on a GPU, on the CPU."""

    def __init__(self, model: Model, **more: Any) -> None:
        super().__init__(
            model.network, torch.device("cpu"), surround=model.network.surround, **more
        )
        self.batch = 4
        self._batches = self._make_batches()


def test_windows_and_their_surroundings_go_through_in_batches() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(7, 1, 16, 24)).astype(np.float32)
    images[3] = 1.0  # of one value: what lies around it decides
    around = rng.normal(size=(7, 1, 16, 24)).astype(np.float32)

    def results(predictor: Predictor) -> list[torch.Tensor]:
        def load(number: int) -> Surrounded:
            hook = predictor.surroundings(around[number])
            assert hook.shape == (4, 16, 24)
            return Surrounded(images[number], hook[:, 4:8, 4:10])

        jobs = [
            partial(predictor.submit, partial(load, number), lambda logits: logits[0].float())
            for number in (*range(7), 3)
        ]
        return list(predictor.ahead(jobs))

    network = tiny_hooked().network
    cpu = torch.device("cpu")
    with Predictor(network, cpu, threads=2, surround=network.surround) as single:
        wanted = results(single)
        assert single.surround_forwards == single.forwards == 8
    with Batching(tiny_hooked(), threads=2) as batched:
        for found, each in zip(results(batched), wanted, strict=True):
            torch.testing.assert_close(found, each, atol=1e-5, rtol=1e-5)
    assert torch.equal(wanted[3], wanted[7])


def tiny_hooked() -> Model:
    return tiny_model(name="hooknet", features=(4, 6, 8))
