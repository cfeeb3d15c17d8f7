"""Keys: Alt+0 to Alt+9 take the brush for a class, while the dock is open."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Keys"]

logger = logging.getLogger(__name__)


class Keys:
    """Binds keys in a viewer; those that somebody else has bound stay as they are.

    napari reads no keys from a manifest, so they are bound in code.
    """

    def __init__(self, viewer: "Viewer", actions: dict[str, Callable[[], None]]) -> None:
        self._viewer = viewer
        self._bound: list[str] = []
        for key, action in actions.items():
            try:
                viewer.bind_key(key, _called_by_napari(action))
            except ValueError:
                logger.warning("The key %s is taken, and does nothing in the dock.", key)
            else:
                self._bound.append(key)

    def forget(self) -> None:
        """Give the keys back."""
        for key in self._bound:
            self._viewer.bind_key(key, None)
        self._bound.clear()


def _called_by_napari(action: Callable[[], None]) -> Callable[[Any], None]:
    """Give a function as napari wants it: with the viewer, and with a name, which partials lack."""

    def act(viewer: Any) -> None:
        action()

    return act
