"""Pointer: a click on a layer, told from a drag, and what lies under it."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

__all__ = ["clicked", "value_at"]

_MOVED = 4  # pixels; who moves the mouse so far between press and release moves the image


def value_at(layer: Any, event: Any) -> int:
    """Give the value of a labels layer under the pointer; 0 where there is none."""
    value = layer.get_value(
        event.position,
        view_direction=event.view_direction,
        dims_displayed=event.dims_displayed,
        world=True,
    )
    value = value[1] if isinstance(value, tuple) else value  # of several levels: level and value
    return int(value or 0)


def clicked(event: Any, act: Callable[[], None]) -> Generator[None, None, None]:
    """Wait from press to release, as napari steps through it; act where the mouse stayed."""
    began = np.array(event.pos)
    yield
    while event.type == "mouse_move":
        yield
    if np.abs(np.array(event.pos) - began).max() < _MOVED:
        act()
