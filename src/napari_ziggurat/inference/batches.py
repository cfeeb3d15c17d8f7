"""Batches: threads load windows, one thread computes them together."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Generic, TypeVar

__all__ = ["Batches"]

Item = TypeVar("Item")
Output = TypeVar("Output")


@dataclass(frozen=True)
class _Loaded(Generic[Item, Output]):
    item: Item
    finish: Callable[[Output], Any]
    future: "Future[Any]"


class Batches(Generic[Item, Output]):
    """Gathers what is loaded into batches and computes one after the other.

    A batch is computed when it is full, or when nothing more is being loaded.

    Parameters
    ----------
    compute : callable
        Items of one batch -> one output for each.
    size : callable
        Gives how many items make a full batch; it may change.
    pool : ThreadPoolExecutor
        Its threads load.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Item]], Sequence[Output]],
        size: Callable[[], int],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._compute, self._size, self._pool = compute, size, pool
        self._loading = 0
        self._loaded: deque[_Loaded[Item, Output]] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="ziggurat-batches", daemon=True)
        self._thread.start()

    def submit(self, load: Callable[[], Item], finish: Callable[[Output], Any]) -> "Future[Any]":
        """Load an item, compute it with others, and give what ``finish`` makes of its output."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # nobody can cancel it: its result will be set
        with self._changed:
            self._loading += 1
        self._pool.submit(self._load, load, finish, future)
        return future

    def close(self) -> None:
        """End the thread; what has not begun is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _load(
        self, load: Callable[[], Item], finish: Callable[[Output], Any], future: "Future[Any]"
    ) -> None:
        loaded = None
        try:
            loaded = _Loaded(load(), finish, future)
        except BaseException as error:
            future.set_exception(error)
        with self._changed:
            self._loading -= 1
            if loaded is not None:
                self._loaded.append(loaded)
            self._changed.notify_all()

    def _run(self) -> None:
        while group := self._gather():
            try:
                outputs = self._compute([each.item for each in group])
            except BaseException as error:
                for each in group:
                    each.future.set_exception(error)
                continue
            for each, output in zip(group, outputs, strict=True):
                _settle(each, output)

    def _gather(self) -> "list[_Loaded[Item, Output]]":
        """Wait for a batch; nothing when it is over."""
        with self._changed:
            self._changed.wait_for(self._is_ready)
            if self._closed:
                return []
            return [self._loaded.popleft() for _ in range(min(self._size(), len(self._loaded)))]

    def _is_ready(self) -> bool:
        full = len(self._loaded) >= self._size() or (self._loading == 0 and self._loaded)
        return self._closed or bool(full)


def _settle(loaded: "_Loaded[Any, Output]", output: Output) -> None:
    try:
        loaded.future.set_result(loaded.finish(output))
    except BaseException as error:
        loaded.future.set_exception(error)
