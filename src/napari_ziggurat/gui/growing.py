"""Growing labels: a layer over a store that is being written."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.gui.results import Results, Target

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

__all__ = ["GrowingLabels"]

logger = logging.getLogger(__name__)

_EVERY = 1000  # milliseconds
_ZOOM_IN = "Zoom in to see the blocks that are written; the coarser levels come last."


class GrowingLabels(QObject):
    """Shows an output that is being written, and looks again every second until it is done."""

    hinted = Signal(str)  # how to see what is written

    def __init__(self, viewer: "Viewer", results: Results, target: Target, path: Path) -> None:
        super().__init__()
        self._viewer, self._results, self._target, self._path = viewer, results, target, path
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

    def finish(self) -> "Labels":
        """Show all levels of the finished output."""
        self.stop()
        return self._results.show_store(self._target, self._path, complete=True)

    def _look(self) -> None:
        if self._layer is not None:
            # Someone may have taken the layer away; then it stays away until the run is done.
            if self._layer in self._viewer.layers:
                self._layer.refresh(extent=False, thumbnail=False, highlight=False)
        elif self._path.is_dir():
            self._show()

    def _show(self) -> None:
        try:
            self._layer = self._results.show_store(self._target, self._path, complete=False)
        except ZigguratError:
            pass  # its metadata are not there yet
        except Exception as error:  # the run goes on without being seen; its end says what is wrong
            logger.warning("labels that are written cannot be shown: %s", error)
            self.stop()
        else:
            if self._layer.multiscale:
                self.hinted.emit(_ZOOM_IN)
