"""Probe: what a window takes on this machine, from windows of noise before the run."""

import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_ziggurat.inference.predictor import Predictor
from napari_ziggurat.inference.window import Surrounded, Window
from napari_ziggurat.runs.plan.cost import Probe
from napari_ziggurat.runs.watch import MemoryWatch, resident_memory

__all__ = ["Shown", "measure"]


@dataclass(frozen=True)
class Shown:
    """Shapes of what the network is shown.

    Attributes
    ----------
    window : tuple of int
        (C, (Z), Y, X).
    hook, around : tuple of int
        Of the feature of the surroundings, and of a window of them; empty where none are seen.
    """

    window: tuple[int, ...]
    hook: tuple[int, ...] = ()
    around: tuple[int, ...] = ()


def measure(predictor: Predictor, shown: Shown, beside: int = 1) -> Probe:
    """Compute windows of noise; on the CPU so many beside each other.

    Windows of surroundings are computed beforehand, as they are in a run.
    """
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(shown.window, np.float32)
    if not shown.around:
        return _measured(predictor, lambda: noise, beside)
    around = rng.standard_normal(shown.around, np.float32)
    window = Surrounded(noise, torch.zeros(shown.hook, dtype=predictor.dtype))
    if predictor.device.type != "cpu":
        seen = _on_device(predictor, lambda: predictor.surroundings(around))
        alone = _measured(predictor, lambda: window, beside)
        return replace(alone, memory=max(seen.memory, alone.memory), around=seen.seconds)

    def both() -> Window:
        predictor.surroundings(around)
        return window

    together, alone = (_measured(predictor, load, beside) for load in (both, lambda: window))
    seconds = max(0.0, together.seconds - alone.seconds)
    return replace(alone, memory=max(together.memory, alone.memory), around=seconds)


def _measured(predictor: Predictor, load: Callable[[], Window], beside: int) -> Probe:
    if predictor.device.type == "cpu":
        return _on_cpu(predictor, load, beside)
    return _on_device(predictor, lambda: predictor.compute([load()] * predictor.batch))


def _on_cpu(predictor: Predictor, load: Callable[[], Window], beside: int) -> Probe:
    """Take time and memory in one go: cores that wait meanwhile would be a loss to the run."""
    before = resident_memory()
    started = time.perf_counter()
    with MemoryWatch() as watch:
        wait([predictor.submit(load, lambda _: None) for _ in range(beside)])
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
