"""In memory: volumes that fit are held as a whole, of the others what was read lately."""

from collections.abc import Sequence

from napari_ziggurat.images.block_cache import BlockCache
from napari_ziggurat.training.volumes import LabelledVolume

__all__ = ["MOST_CACHED", "cache_the_rest", "hold_what_fits", "kept_bytes"]

MOST_CACHED = 2 * 2**30
"""Bytes of a cache at most: patches around strokes lie in few blocks."""


def hold_what_fits(volumes: Sequence[LabelledVolume], budget: int) -> list[LabelledVolume]:
    """Keep volumes in memory in turn, as long as the budget in bytes lasts."""
    held = []
    for volume in volumes:
        budget -= volume.bytes
        held.append(volume.hold() if budget >= 0 else volume)
    return held


def cache_the_rest(volumes: Sequence[LabelledVolume], budget: int) -> list[LabelledVolume]:
    """Let volumes that are not held be read through one cache, with what is left of a budget."""
    rest = budget - sum(volume.bytes for volume in volumes if volume.held is not None)
    cache = BlockCache(max(0, min(rest, MOST_CACHED)))
    return [volume.cached(cache) for volume in volumes]


def kept_bytes(volumes: Sequence[LabelledVolume]) -> int:
    """Bytes that volumes take in memory: those that are held, and what caches may fill."""
    held = sum(volume.bytes for volume in volumes if volume.held is not None)
    caches = {id(v.cache): v.cache.limit for v in volumes if v.cache is not None}
    return held + sum(caches.values())
