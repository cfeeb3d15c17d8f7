"""Cores: how many this process may use."""

import os

__all__ = ["available_cores"]


def available_cores() -> int:
    """Count the cores that this process may use, which a scheduler or a container can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
