"""How a network is laid out and computed is no part of the result."""

from functools import partial
from threading import Lock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from models import tiny_model
from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.inference.predictor import Predictor

CPU = torch.device("cpu")


def _probabilities(predictor: Predictor, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    logits = [each for (each,) in predictor.compute(list(windows))]
    return torch.stack(logits).float().softmax(1).numpy()


@pytest.mark.parametrize(("axes", "shape"), [("yx", (2, 1, 33, 46)), ("zyx", (1, 1, 7, 21, 30))])
def test_folded_channels_last_and_bfloat16_give_the_same_probabilities(
    axes: str, shape: tuple[int, ...]
) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        wanted = tiny_model(axes).network(torch.from_numpy(x)).softmax(1).numpy()
    with Predictor(tiny_model(axes).network, CPU) as full:
        found = _probabilities(full, x)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    with Predictor(tiny_model(axes).network, CPU, precision="bfloat16") as half:
        found = _probabilities(half, x)
    rounding = 2.0**-8  # of bfloat16, at each of a few layers
    assert 0 < np.abs(found - wanted).max() < 8 * rounding
    assert found.dtype == np.float32


def test_convolutions_are_stored_with_the_channels_innermost() -> None:
    network = tiny_model().network
    with Predictor(network, CPU):
        convs = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.in_channels > 1]
        assert convs
        assert all(m.weight.is_contiguous(memory_format=torch.channels_last) for m in convs)


class _Accelerator(Predictor):
    """A predictor that computes batches as it does on a GPU, on the CPU.

    Batches of more than ``room`` windows pass its memory.
    """

    def __init__(self, *, room: int = 99, **more: object) -> None:
        super().__init__(tiny_model().network, CPU, **more)
        self.batch = more.get("batch", 4)
        self.room = room
        self.shapes: list[int] = []
        self._batches = self._make_batches()

    def _forward(self, windows, batch):
        if batch > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.shapes.append(batch)
        return super()._forward(windows, batch)


def _all(predictor: Predictor, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    jobs = [
        partial(predictor.submit, lambda w=w: w, lambda logits: logits[0].softmax(0))
        for w in windows
    ]
    return torch.stack(list(predictor.ahead(jobs))).numpy()


WINDOWS = np.random.default_rng(1).normal(size=(11, 1, 16, 24)).astype(np.float32)


def test_windows_in_batches_of_one_shape_come_back_in_order() -> None:
    with Predictor(tiny_model().network, CPU, threads=2) as single:
        wanted = _all(single, WINDOWS)
    with _Accelerator(threads=2) as batched:
        np.testing.assert_allclose(_all(batched, WINDOWS), wanted, atol=1e-6)
    assert set(batched.shapes) == {4}
    assert batched.forwards == len(WINDOWS)


def test_memory_that_runs_out_halves_the_batch_and_the_run_goes_on() -> None:
    with _Accelerator(threads=2) as enough:
        wanted = _all(enough, WINDOWS)
    with _Accelerator(threads=2, room=1) as little:
        np.testing.assert_allclose(_all(little, WINDOWS), wanted, atol=1e-6)
        assert little.batch == 1
    assert set(little.shapes) == {1}


def test_an_exact_run_keeps_its_batch_and_says_which_one_would_fit() -> None:
    with (
        _Accelerator(threads=2, room=2, exact=True) as little,
        pytest.raises(WorkFailed, match="Give --batch 2, or leave --exact out"),
    ):
        _all(little, WINDOWS)


def test_when_one_window_is_too_much_the_sentence_says_so() -> None:
    with (
        _Accelerator(threads=2, room=0) as little,
        pytest.raises(WorkFailed, match=r"one window of 16 x 24 voxels.*--patch"),
    ):
        _all(little, WINDOWS)


def test_on_the_cpu_fewer_threads_compute_when_memory_runs_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Predictor(tiny_model().network, CPU, threads=1) as single:
        wanted = _all(single, WINDOWS)
    at_once, lock = [0], Lock()
    forward = Predictor._forward

    def needs_all_memory(self, windows, batch):
        with lock:
            at_once[0] += 1
            crowded = at_once[0] > 1
        try:
            if crowded:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return forward(self, windows, batch)
        finally:
            with lock:
                at_once[0] -= 1

    monkeypatch.setattr(Predictor, "_forward", needs_all_memory)
    with Predictor(tiny_model().network, CPU, threads=4) as crowded:
        assert np.array_equal(_all(crowded, WINDOWS), wanted)


def test_a_window_of_one_value_goes_through_the_network_once() -> None:
    flat = np.full((6, 1, 16, 24), 0.5, np.float32)
    flat[4] = 0.25
    with Predictor(tiny_model().network, CPU, threads=2) as predictor:
        wanted = [predictor.compute([window])[0][0].softmax(0).numpy() for window in flat]
        before = predictor.forwards
        np.testing.assert_array_equal(_all(predictor, flat), wanted)
        assert predictor.forwards == before + 2


def test_an_error_while_loading_a_window_of_a_batch_reaches_who_waits_for_it() -> None:
    def broken() -> NDArray[np.float32]:
        raise OSError("disk gone")

    with _Accelerator(threads=2) as predictor:
        failing = predictor.submit(broken, lambda logits: logits)
        fine = predictor.submit(lambda: WINDOWS[0], lambda logits: len(logits))
        assert fine.result(timeout=20) == 1
        with pytest.raises(OSError, match="disk gone"):
            failing.result(timeout=20)


def test_windows_that_nobody_waits_for_do_not_stop_the_others() -> None:
    with _Accelerator(threads=2) as predictor:
        for window in WINDOWS:
            predictor.submit(lambda window=window: window, lambda logits: logits).cancel()
        last = predictor.submit(lambda: WINDOWS[0], lambda logits: len(logits))
        assert last.result(timeout=20) == 1
