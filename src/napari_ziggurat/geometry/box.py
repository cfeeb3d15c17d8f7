"""Box: a rectangle of voxels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from napari_ziggurat.errors import InputError

__all__ = ["Box"]


@dataclass(frozen=True)
class Box:
    """Voxels from ``start`` (included) to ``stop`` (not included) on each spatial axis.

        start
          +--------+
          |        |      shape = stop - start
          +--------+
                  stop

    Raises
    ------
    InputError
        The two have different lengths, or an axis stops before it starts.
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.start) != len(self.stop):
            raise InputError(f"A box needs as many starts as stops: {self.start}, {self.stop}.")
        if any(a > b for a, b in zip(self.start, self.stop, strict=True)):
            raise InputError(f"A box must not stop before it starts: {self}.")

    def __str__(self) -> str:
        return ",".join(f"{a}:{b}" for a, b in zip(self.start, self.stop, strict=True))

    @classmethod
    def whole(cls, shape: Sequence[int]) -> "Box":
        """Give the box of a whole image."""
        return cls((0,) * len(shape), tuple(shape))

    @classmethod
    def parse(cls, text: str) -> "Box":
        """Read a box written as ``"0:16,100:612,0:512"``, one ``start:stop`` per spatial axis."""
        try:
            pairs = [tuple(int(n) for n in part.split(":")) for part in text.split(",")]
            (starts, stops) = zip(*((a, b) for a, b in pairs), strict=True)
        except ValueError:
            raise InputError(
                f"A box is start:stop per spatial axis in voxels, such as 0:16,100:612,0:512; "
                f"got '{text}'."
            ) from None
        return cls(starts, stops)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.start)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def slices(self) -> tuple[slice, ...]:
        """One slice per axis."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def shift(self, offset: Sequence[int]) -> "Box":
        """Move by a number of voxels per axis."""
        return Box(
            tuple(a + v for a, v in zip(self.start, offset, strict=True)),
            tuple(b + v for b, v in zip(self.stop, offset, strict=True)),
        )

    def grow(self, margin: Sequence[int]) -> "Box":
        """Give the box with so many voxels more per axis, on both sides."""
        return Box(
            tuple(a - m for a, m in zip(self.start, margin, strict=True)),
            tuple(b + m for b, m in zip(self.stop, margin, strict=True)),
        )

    def relative_to(self, origin: Sequence[int]) -> "Box":
        """Give the same voxels, counted from ``origin``."""
        return self.shift([-o for o in origin])

    def intersect(self, other: "Box") -> "Box":
        """Voxels that are in both; an empty box when there are none."""
        start = tuple(max(a, b) for a, b in zip(self.start, other.start, strict=True))
        stop = tuple(min(a, b) for a, b in zip(self.stop, other.stop, strict=True))
        return Box(start, tuple(max(a, b) for a, b in zip(start, stop, strict=True)))

    def contains(self, other: "Box") -> bool:
        """Tell whether every voxel of ``other`` is in this box."""
        return all(a <= b for a, b in zip(self.start, other.start, strict=True)) and all(
            a >= b for a, b in zip(self.stop, other.stop, strict=True)
        )
