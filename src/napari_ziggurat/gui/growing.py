"""Growing labels: a layer over a store that is being written."""

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.gui.results import Target, show_store

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

__all__ = ["GrowingLabels"]

_EVERY = 1000  # milliseconds


class GrowingLabels(QObject):
    """Shows an output that is being written, and looks again every second until it is done."""

    def __init__(self, viewer: "Viewer", target: Target, path: Path) -> None:
        super().__init__()
        self._viewer, self._target, self._path = viewer, target, path
        self._layer: Labels | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)

    def start(self) -> None:
        """Begin to look. Not before the run writes: what is there until then is not its own."""
        if not self._timer.isActive():
            self._timer.start(_EVERY)

    def stop(self) -> None:
        """Look no more; what is shown stays."""
        self._timer.stop()

    def finish(self) -> Path:
        """Show all levels of the finished output; gives back where it is."""
        self.stop()
        show_store(self._viewer, self._target, self._path, complete=True)
        return self._path

    def _look(self) -> None:
        if self._layer is not None:
            # Someone may have taken the layer away; then it stays away until the run is done.
            if self._layer in self._viewer.layers:
                self._layer.refresh(extent=False, thumbnail=False, highlight=False)
        elif self._path.is_dir():
            try:
                self._layer = show_store(self._viewer, self._target, self._path, complete=False)
            except ZigguratError:
                return  # its metadata are not there yet
