"""Probe: what a window takes on this machine, from windows of noise before the run."""

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from typing import Self

import numpy as np
import psutil
import torch

from napari_ziggurat.inference.predictor import Predictor, Window
from napari_ziggurat.runs.cost import Probe

__all__ = ["measure", "resident_memory"]

_EVERY = 0.003  # seconds between two looks at the memory


def measure(predictor: Predictor, window: Sequence[int], beside: int = 1) -> Probe:
    """Compute windows (C, (Z), Y, X) of noise; on the CPU so many beside each other."""
    noise = np.random.default_rng(0).standard_normal(tuple(window), np.float32)
    if predictor.device.type == "cpu":
        return _on_cpu(predictor, noise, beside)
    return _on_device(predictor, lambda: predictor.compute([noise] * predictor.batch))


def resident_memory() -> int:
    """Bytes that this process holds, after what was freed went back to the system."""
    if sys.platform == "linux":
        # glibc keeps freed memory; other C libraries have no such call, and keep less.
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)(0)
    return int(psutil.Process().memory_info().rss)


def _on_cpu(predictor: Predictor, noise: Window, beside: int) -> Probe:
    """Take time and memory in one go: cores that wait meanwhile would be a loss to the run."""
    before = resident_memory()
    started = time.perf_counter()
    with _Watch() as watch:
        wait([predictor.submit(lambda: noise, lambda _: None) for _ in range(beside)])
    seconds = time.perf_counter() - started
    return Probe(seconds, max(0, watch.peak - before) // beside)


def _on_device(predictor: Predictor, forward: Callable[[], object]) -> Probe:
    cuda = predictor.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(predictor.device)
    forward()
    peak = torch.cuda.max_memory_allocated(predictor.device) if cuda else 0
    started = time.perf_counter()
    forward()
    if cuda:
        torch.cuda.synchronize(predictor.device)
    return Probe(time.perf_counter() - started, peak)


class _Watch:
    """Looks at the memory of this process while something runs."""

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        process = psutil.Process()
        while not self._over.wait(_EVERY):
            self.peak = max(self.peak, process.memory_info().rss)
