"""Slots: how many threads may compute at the same time, fewer once the memory ran out."""

from threading import Condition

__all__ = ["Slots"]


class Slots:
    """A number of places that threads wait for; the number can shrink while they are taken.

    Parameters
    ----------
    count : int
        Places at the start.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._taken = 0
        self._changed = Condition()

    def take(self) -> int:
        """Wait for a place; give how many there are now, for `shrink`."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken < self.count)
            self._taken += 1
            return self.count

    def give_back(self) -> None:
        """Leave a place to another thread."""
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    def shrink(self, seen: int) -> bool:
        """Halve the places, unless another thread did so since ``seen`` was given.

        Returns
        -------
        bool
            It is worth another try: there are fewer places now than ``seen``.
        """
        with self._changed:
            if self.count == seen and seen > 1:
                self.count = seen // 2
            return self.count < seen
