"""Block cache: blocks of lazy images that were read lately, in memory up to a limit in bytes.

Patches around strokes lie near each other and are read again and again; a chunk that was decoded
once serves all of them.
"""

import math
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images.image import Image

__all__ = ["BlockCache"]

_LEAST_SIDE = {2: 256, 3: 32}  # smaller chunks are read together
_MOST_VOXELS = 2**20  # up to so many

_Key = tuple[Image, int, int, tuple[int, ...]]


class BlockCache:
    """Reads images block by block and keeps the blocks that were used last; for any thread.

    Blocks lie along the chunks of a level. A chunk that is larger than the limit is not kept: it is
    read as it would be without a cache. A block in which nothing is stored is not kept either.

    Parameters
    ----------
    limit : int
        Bytes that all blocks together may take.

    Attributes
    ----------
    bytes : int
        What they take now.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.bytes = limit, 0
        self._blocks: OrderedDict[_Key, NDArray[Any]] = OrderedDict()
        self._guard = threading.Lock()

    def read(self, image: Image, level: int, box: Box, time: int = 0) -> NDArray[Any]:
        """Read a box (C, (Z), Y, X) of one level, as `Image.read` does.

        Parameters
        ----------
        image : Image
            Its voxels must not change while this cache is used.
        level, box, time
            As for `Image.read`, which says what is refused.
        """
        shape, block = image.levels[level].shape, _block_shape(image, level)
        size = math.prod(block) * len(image.channels) * image.dtype.itemsize
        if size > self.limit or not Box.whole(shape).contains(box):
            return image.read(level, box, time)
        found = np.empty((len(image.channels), *box.shape), image.dtype)
        low = [a // n for a, n in zip(box.start, block, strict=True)]
        counts = [-(-b // n) - a for a, b, n in zip(low, box.stop, block, strict=True)]
        for place in np.ndindex(*counts):
            index = tuple(a + i for a, i in zip(low, place, strict=True))
            start = tuple(i * n for i, n in zip(index, block, strict=True))
            stop = tuple(min(a + n, m) for a, n, m in zip(start, block, shape, strict=True))
            whole = Box(start, stop)
            both = whole.intersect(box)
            voxels = self._block((image, level, time, index), whole)
            there, here = both.relative_to(box.start), both.relative_to(start)
            found[(slice(None), *there.slices)] = voxels[(slice(None), *here.slices)]
        return found

    def _block(self, key: _Key, box: Box) -> NDArray[Any]:
        with self._guard:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        image, level, time, _ = key
        if (gap := image.constant(level, box, time)) is not None:  # costs a look, and no memory
            return np.broadcast_to(gap.reshape(-1, *[1] * box.ndim), (len(gap), *box.shape))
        voxels = image.read(level, box, time)  # two threads may do the same once
        with self._guard:
            if key not in self._blocks:
                self._blocks[key] = voxels
                self.bytes += voxels.nbytes
            while self.bytes > self.limit:
                _, oldest = self._blocks.popitem(last=False)
                self.bytes -= oldest.nbytes
        return voxels


def _block_shape(image: Image, level: int) -> tuple[int, ...]:
    """Give as many chunks along each axis as make a block that is worth its bookkeeping."""
    shape, chunk = image.levels[level].shape, image.stored_chunk(level)
    least, block = _LEAST_SIDE[len(shape)], [min(n, c) for n, c in zip(shape, chunk, strict=True)]
    for axis in reversed(range(len(shape))):
        room = max(1, _MOST_VOXELS // math.prod(block))  # of a stack of planes a plane is enough
        block[axis] = min(shape[axis], block[axis] * min(room, -(-least // block[axis])))
    return tuple(block)
