"""Predictor: a network on a device, computing windows one after the other.

On the CPU one window is computed by one thread, and the cores work on different windows: the bits
are then those of one thread whatever the number of cores. On a GPU windows go in batches of one
fixed shape, the last one padded.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.inference.cores import available_cores
from napari_ziggurat.networks.device import bfloat16_pays, channels_last, lay_out
from napari_ziggurat.networks.norms import fold_batch_norm

__all__ = ["Activation", "Precision", "Predictor", "resolve_precision"]

Task = TypeVar("Task")
Result = TypeVar("Result")
Window = NDArray[np.float32]
Load = Callable[[Task], Window]
Save = Callable[[Task, Sequence[Window]], Result]
Activation = Literal["softmax", "none"]
Precision = Literal["float32", "bfloat16"]

_GPU_BATCH = 4


def resolve_precision(name: str, device: torch.device) -> Precision:
    """Turn ``"auto"`` into bfloat16 where the device computes it in hardware, else float32."""
    if name == "auto":
        return "bfloat16" if bfloat16_pays(device) else "float32"
    return "bfloat16" if name == "bfloat16" else "float32"


class Predictor:
    """Computes class probabilities of windows; a context manager that ends its threads.

    Parameters
    ----------
    network : Module
        Gives logits, or a list of them; the predictor works on it in place (folds norms, moves it).
    device : torch.device
    precision : str
        ``"float32"`` or ``"bfloat16"`` parameters and activations.
    batch : int or None
        Windows per forward on a GPU.
    workers : int or None
        Threads; all cores that may be used when None.
    activation : str
        ``"softmax"``, or ``"none"`` to get the logits.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        *,
        precision: Precision = "float32",
        batch: int | None = None,
        workers: int | None = None,
        activation: Activation = "softmax",
    ) -> None:
        self.device = device
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self.batch = 1 if device.type == "cpu" else (batch or _GPU_BATCH)
        self.workers = workers or available_cores()
        self._activation = activation
        self._network = fold_batch_norm(network.eval()).to(device=device, dtype=self.dtype)
        lay_out(self._network)
        self._threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(
            self.workers, "ziggurat", initializer=torch.set_num_threads, initargs=(1,)
        )

    @property
    def at_once(self) -> int:
        """Windows that are computed at the same time."""
        return self.workers if self.device.type == "cpu" else self.batch

    @property
    def waiting(self) -> int:
        """Windows that are held at most: read, being computed, or computed and not yet taken."""
        return self.workers + max(1, self.batch) + 1

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
        torch.set_num_threads(self._threads)  # the pool lowered it for threads to come

    def map(
        self, tasks: Iterable[Task], load: "Load[Task]", save: "Save[Task, Result]"
    ) -> Iterator[Result]:
        """Compute tasks in order, with a bounded number in flight.

        Parameters
        ----------
        tasks : iterable
            What to compute.
        load : callable
            Task -> normalised window (C, (Z), Y, X).
        save : callable
            Task and probabilities (classes, (Z), Y, X), one array per output -> result.
        """
        if self.device.type == "cpu":
            return self._ahead(tasks, lambda t: save(t, self._one(load(t))))
        return self._batched(tasks, load, save)

    @torch.inference_mode()
    def compute(self, windows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Compute probabilities of a batch (N, C, (Z), Y, X) at once, one array per output.

        Raises
        ------
        WorkFailed
            The memory does not suffice.
        """
        try:
            return self._forward(windows)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            raise WorkFailed(self._too_much(windows.shape)) from error

    def _one(self, window: Window) -> list[Window]:
        """Compute a window (C, (Z), Y, X) by itself."""
        return [each[0] for each in self.compute(window[np.newaxis])]

    def _forward(self, windows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        x = torch.from_numpy(windows).to(self.device).to(self.dtype)
        found = self._network(channels_last(x))
        return [self._activate(each) for each in (found if isinstance(found, list) else [found])]

    def _activate(self, logits: torch.Tensor) -> NDArray[np.float32]:
        logits = logits.float()
        if self._activation == "softmax":
            logits = logits.softmax(dim=1)
        result: NDArray[np.float32] = logits.cpu().numpy()
        return result

    def _too_much(self, shape: tuple[int, ...]) -> str:
        window = " x ".join(map(str, shape[2:]))
        fewer = "--workers" if self.device.type == "cpu" else "--batch"
        return (
            f"The memory of {self.device} does not suffice for {self.at_once} windows of {window} "
            f"voxels at a time. Give a smaller {fewer}, or train a model with a smaller --patch."
        )

    def _batched(
        self, tasks: Iterable[Task], load: "Load[Task]", save: "Save[Task, Result]"
    ) -> Iterator[Result]:
        """Threads read ahead, this thread computes batches of one shape."""
        loaded = self._ahead(tasks, lambda t: (t, load(t)))
        while group := list(itertools.islice(loaded, self.batch)):
            windows = [window for _, window in group]
            windows += [windows[-1]] * (self.batch - len(windows))
            probabilities = self.compute(np.stack(windows))
            for number, (task, _) in enumerate(group):
                yield save(task, [each[number] for each in probabilities])

    def _ahead(self, tasks: Iterable[Any], work: Callable[[Any], Any]) -> Iterator[Any]:
        """Run work in the pool, keep the order, stay a few tasks ahead of who consumes."""
        waiting: deque[Future[Any]] = deque()
        most = self.waiting - 1
        try:
            for task in tasks:
                waiting.append(self._pool.submit(work, task))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether memory ran out; on the CPU only the text of the error says so."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
