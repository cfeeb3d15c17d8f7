"""Predictor: a network on a device, computing windows.

On the CPU one window is computed by one thread, and the cores work on different windows: the bits
are then those of one thread whatever the number of cores. On a GPU windows go in batches of one
fixed shape, the last one padded. When memory runs out, fewer are computed at the same time.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from threading import Lock
from typing import Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.inference.batches import Batches
from napari_ziggurat.inference.cores import available_cores
from napari_ziggurat.inference.slots import Slots
from napari_ziggurat.inference.window import Surrounded, Window, constant_value, image_of
from napari_ziggurat.networks.device import bfloat16_pays, channels_last, lay_out
from napari_ziggurat.networks.norms import fold_batch_norm

__all__ = ["Logits", "Precision", "Predictor", "resolve_precision"]

Result = TypeVar("Result")
Logits = list[torch.Tensor]
"""One float32 or bfloat16 tensor (classes, (Z), Y, X) per output of the network."""

Precision = Literal["float32", "bfloat16"]

_GPU_BATCH = 4
_CONSTANTS_KEPT = 2


def resolve_precision(name: str, device: torch.device) -> Precision:
    """Turn ``"auto"`` into bfloat16 where the device computes it in hardware, else float32."""
    if name == "auto":
        return "bfloat16" if bfloat16_pays(device) else "float32"
    return "bfloat16" if name == "bfloat16" else "float32"


class Predictor:
    """Computes logits of windows; a context manager that ends its threads.

    Parameters
    ----------
    network : Module
        Gives logits, or a list of them; the predictor works on it in place (folds norms, moves it).
    device : torch.device
    precision : str
        ``"float32"`` or ``"bfloat16"`` parameters and activations.
    batch : int or None
        Windows per forward on a GPU.
    threads : int or None
        Threads; all cores that may be used when None.
    exact : bool
        Keep the batch as it is when memory runs out, and fail: another batch changes the last bits.
    surround : Module, optional
        The part of the network that sees surroundings, where there is one.

    Attributes
    ----------
    full_batch, batch : int
        Windows per forward as asked for, and now: fewer once the memory ran out.
    forwards : int
        Windows that went through the network so far.
    surround_forwards : int
        Windows of surroundings that did.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        *,
        precision: Precision = "float32",
        batch: int | None = None,
        threads: int | None = None,
        exact: bool = False,
        surround: nn.Module | None = None,
    ) -> None:
        self.device = device
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self.full_batch = self.batch = 1 if device.type == "cpu" else (batch or _GPU_BATCH)
        self.threads = threads or available_cores()
        self.forwards = self.surround_forwards = 0
        self._exact = exact
        self._slots = Slots(self.threads)
        self._network = fold_batch_norm(network.eval()).to(device=device, dtype=self.dtype)
        lay_out(self._network)
        self._surround = surround
        self._device_memory = Lock()  # of a GPU: surroundings are not computed beside a batch
        self._torch_threads = torch.get_num_threads()
        self._constants: dict[bytes, Logits] = {}
        self._constant_lock = Lock()
        self._counting = Lock()
        self._pool = ThreadPoolExecutor(
            self.threads, "ziggurat", initializer=torch.set_num_threads, initargs=(1,)
        )
        self._batches = None if device.type == "cpu" else self._make_batches()

    @property
    def at_once(self) -> int:
        """Windows that are computed at the same time."""
        return self._slots.count if self.device.type == "cpu" else self.batch

    @property
    def waiting(self) -> int:
        """Windows that are worth having in flight: being read, computed, or done and not taken."""
        if self.device.type == "cpu":
            return self._slots.count + 1
        return self.threads + 2 * self.batch

    def limit(self, at_once: int) -> None:
        """Compute at most so many windows at the same time; a GPU's batch stays as it is."""
        if self.device.type == "cpu":
            self._slots = Slots(at_once)

    def free_memory(self) -> int | None:
        """Bytes that are free on a device with memory of its own; None for the others."""
        if self.device.type != "cuda":
            return None
        # What PyTorch keeps of earlier images is free for the next one.
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return int(torch.cuda.mem_get_info(self.device)[0] + kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads; windows that have not begun are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._batches is not None:
            self._batches.close()
        torch.set_num_threads(self._torch_threads)  # the pool lowered it for threads to come

    def submit(
        self, load: Callable[[], Window], finish: Callable[[Logits], Result]
    ) -> "Future[Result]":
        """Compute one window in another thread.

        A window of one value throughout goes through the network once; the next one of that value
        is given what came out.

        Parameters
        ----------
        load : callable
            Gives the normalised window (C, (Z), Y, X).
        finish : callable
            Logits, which are on the device still and must not be changed -> result.
        """
        if self._batches is not None:
            return self._batches.submit(load, finish)
        return self._pool.submit(self._work, load, finish)

    def ahead(self, jobs: Iterable[Callable[[], "Future[Result]"]]) -> Iterator[Result]:
        """Begin jobs that `submit` windows, a few ahead of who consumes; results in order."""
        flying: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                flying.append(job())
                if len(flying) >= self.waiting:
                    yield flying.popleft().result()
            while flying:
                yield flying.popleft().result()
        finally:
            for future in flying:
                future.cancel()

    def compute(self, windows: Sequence[Window]) -> list[Logits]:
        """Compute windows (C, (Z), Y, X) of one shape now, in this thread.

        Raises
        ------
        WorkFailed
            The memory does not suffice, not even for fewer at a time.
        """
        while True:
            batch = self.batch
            groups = [windows[i : i + batch] for i in range(0, len(windows), batch)]
            try:
                return [logits for group in groups for logits in self._forward(group, batch)]
            except RuntimeError as error:
                self._back_off(error, windows[0].shape, batch)

    def surroundings(self, window: NDArray[np.float32]) -> torch.Tensor:
        """Compute the hook feature (F, (Z), Y, X) of a window of surroundings (C, (Z), Y, X) now.

        It is called by what `submit` was given to load; the feature lies on the CPU.

        Raises
        ------
        WorkFailed
            The memory does not suffice.
        """
        if self.device.type == "cpu":
            return self._in_slot(window.shape, lambda: self._look_around(window))
        with self._device_memory:
            try:
                return self._look_around(window)
            except RuntimeError as error:
                self._back_off(error, window.shape, 1)
                raise

    def _work(self, load: Callable[[], Window], finish: Callable[[Logits], Result]) -> Result:
        return finish(self._one(load()))

    def _one(self, window: Window) -> Logits:
        """Compute a window on the CPU, where threads compute others at the same time."""
        key = constant_value(window)
        if key is None:
            return self._alone(window)
        with self._constant_lock:  # of several threads with such a window one computes it
            if key not in self._constants:
                self._keep(key, self._alone(window))
            return self._constants[key]

    def _alone(self, window: Window) -> Logits:
        return self._in_slot(window.shape, lambda: self._forward([window], 1)[0])

    def _in_slot(self, shape: tuple[int, ...], work: Callable[[], Result]) -> Result:
        while True:
            slots = self._slots  # `limit` may give others for the next image
            seen = slots.take()
            try:
                return work()
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                if not slots.shrink(seen):
                    raise WorkFailed(self._too_much(shape)) from error
            finally:
                slots.give_back()

    def _make_batches(self) -> "Batches[Window, Logits]":
        return Batches(self._together, lambda: self.batch, self._pool)

    def _together(self, windows: Sequence[Window]) -> list[Logits]:
        """Compute a batch, but for windows of one value that were computed before."""
        keys = [constant_value(window) for window in windows]
        known = {n: self._constants[k] for n, k in enumerate(keys) if k in self._constants and k}
        new = [n for n in range(len(windows)) if n not in known]
        found = dict(zip(new, self.compute([windows[n] for n in new]), strict=True))
        for n, logits in found.items():
            if (key := keys[n]) is not None:
                self._keep(key, logits)
        return [(known | found)[n] for n in range(len(windows))]

    def _keep(self, key: bytes, logits: Logits) -> None:
        if len(self._constants) >= _CONSTANTS_KEPT:
            self._constants.pop(next(iter(self._constants)))
        self._constants[key] = logits

    @torch.inference_mode()
    def _forward(self, windows: Sequence[Window], batch: int) -> list[Logits]:
        """Compute windows in a batch of one shape, which the last of them fills up."""
        filled = [*windows, *[windows[-1]] * (batch - len(windows))]
        with self._device_memory if self._surround and self.device.type != "cpu" else nullcontext():
            found = self._run(filled)
        outputs = found if isinstance(found, list) else [found]
        with self._counting:
            self.forwards += len(windows)
        return [[each[n] for each in outputs] for n in range(len(windows))]

    def _run(self, windows: Sequence[Window]) -> torch.Tensor | list[torch.Tensor]:
        x = self._on_device(torch.from_numpy(np.stack([image_of(each) for each in windows])))
        hooks = [each.hook for each in windows if isinstance(each, Surrounded)]
        more = {"hook": self._on_device(torch.stack(hooks))} if hooks else {}
        found: torch.Tensor | list[torch.Tensor] = self._network(x, **more)
        return found

    @torch.inference_mode()
    def _look_around(self, window: NDArray[np.float32]) -> torch.Tensor:
        assert self._surround is not None  # whoever asks has a network with one
        hook: torch.Tensor = self._surround(self._on_device(torch.from_numpy(window[None])))
        with self._counting:
            self.surround_forwards += 1
        return hook[0].cpu().contiguous()

    def _on_device(self, batch: torch.Tensor) -> torch.Tensor:
        return channels_last(batch.to(self.device).to(self.dtype))

    def _back_off(self, error: RuntimeError, shape: tuple[int, ...], batch: int) -> None:
        """Halve the batch after memory ran out; raise where that is no way out."""
        if not _is_out_of_memory(error):
            raise error
        if batch == 1:
            raise WorkFailed(self._too_much(shape)) from error
        if self._exact:
            raise WorkFailed(
                f"The memory of {self.device} does not suffice for batches of {batch} windows, and "
                f"--exact keeps the batch. Give --batch {batch // 2}, or leave --exact out."
            ) from error
        self.batch = batch // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _too_much(self, shape: tuple[int, ...]) -> str:
        window = " x ".join(map(str, shape[1:]))
        return (
            f"The memory of {self.device} does not suffice for one window of {window} voxels. "
            "End other programs that use it, or train a model with a smaller --patch."
        )


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether memory ran out; on the CPU only the text of the error says so."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
