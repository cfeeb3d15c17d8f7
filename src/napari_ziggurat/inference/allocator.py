"""Allocator: freed memory stays with the process, so that the next window need not ask for it."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

# Numbers of glibc's mallopt (malloc.h), and what they are set to.
_M_ARENA_MAX, _M_MMAP_MAX, _M_TRIM_THRESHOLD, _M_TOP_PAD = -8, -4, -1, -2
_SETTINGS = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 0))


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed, in a process that does nothing but compute.

    By default it gives large blocks back to the system at once, which clears each page again when
    it is asked for the next: a third of the time of a forward on the CPU. It must be called before
    the threads begin. The process holds its peak until it ends, so it is nothing for a viewer.

    Returns
    -------
    bool
        It was possible; only glibc has these settings.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and all(mallopt(*setting) for setting in _SETTINGS)
