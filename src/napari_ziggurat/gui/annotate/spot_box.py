"""Spot box: a button that takes the view to where the chosen model is least sure."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton, QWidget

from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.annotate.spots import SpotRequest, find_spots
from napari_ziggurat.gui.job import Failure, Job, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.outline import outline
from napari_ziggurat.gui.view import show_box
from napari_ziggurat.gui.widgets import column, note

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_ziggurat.gui.source import Reading
    from napari_ziggurat.progress import Progress
    from napari_ziggurat.runs.suggest import Suggestion, SuggestResult

__all__ = ["SpotBox"]

_NAME = "uncertain spot"
_COLOR = "#ffaa00"
_NONE = "No other box that is not annotated yet; a better model finds others."

Asked = tuple["ImageLayer", "Reading", SpotRequest]


class SpotBox(QWidget):
    """Looks once for several spots, and shows the next one at each click.

    Parameters
    ----------
    viewer : Viewer
    jobs : Jobs
    asked : callable
        Gives the image layer, what is known of it and what to look for; raises an `InputError`
        where something is not chosen.
    """

    def __init__(self, viewer: "Viewer", jobs: Jobs, asked: "Callable[[], Asked]") -> None:
        super().__init__()
        self._viewer, self._jobs, self._asked = viewer, jobs, asked
        self._job: Job | None = None
        self._for: Asked | None = None  # what the spots belong to
        self._spots: list[Suggestion] = []
        self._found = 0
        self.button = QPushButton("Take me to an uncertain spot")
        self.button.setToolTip(
            "Looks with the chosen model for places where it is least sure, and shows one after "
            "the other (Shift+N). Paint there."
        )
        self.text = note("spot")
        self.text.hide()
        self.setLayout(column(self.button, self.text))
        self.button.clicked.connect(self.go)

    def go(self) -> None:
        """Show the next spot; look for some where there is none left."""
        from napari_ziggurat.errors import ZigguratError

        if self._job is not None:
            return
        try:
            asked = self._asked()
        except (ZigguratError, OSError) as error:
            self._say(f"⚠ {error}")
            return
        if self._spots and self._is_same(asked):
            self._show()
            return
        (self._for, self._spots) = (asked, [])
        self._say("Looking…")
        self.button.setEnabled(False)
        self._job = ThreadJob(partial(find_spots, asked[2]))
        heard = Handlers(self._done, self._failed, self._progressed, self._ended)
        self._jobs.start(self._job, heard)

    def _is_same(self, asked: Asked) -> bool:
        """Tell whether the spots are those that are asked for."""
        (layer, reading, request) = self._for or (None, None, None)
        return layer is asked[0] and reading is asked[1] and request == asked[2]

    def _progressed(self, step: "Progress") -> None:
        if step.total:
            self._say(f"Looking… {100 * step.done // step.total} %")

    def _done(self, result: "SuggestResult") -> None:
        (self._spots, self._found) = (list(result.boxes), len(result.boxes))
        self._show()

    def _failed(self, failure: Failure) -> None:
        self._say(f"⚠ {failure.sentence}")

    def _ended(self) -> None:
        self._job = None
        self.button.setEnabled(True)

    def _show(self) -> None:
        if self._for is None or not self._spots:
            self._say(_NONE)
            return
        (layer, reading, _) = self._for
        if layer not in self._viewer.layers:
            self._say("⚠ The image was removed.")
            return
        spot = self._spots.pop(0)
        box = _layer_box(spot, reading)
        self._viewer.dims.ndisplay = 2
        show_box(self._viewer, layer, box)
        outline(self._viewer, layer, box, name=_NAME, color=_COLOR)
        self._say(f"Spot {self._found - len(self._spots)} of {self._found}: {spot.box}")

    def _say(self, sentence: str) -> None:
        self.text.setText(sentence)
        self.text.setVisible(bool(sentence))


def _layer_box(spot: "Suggestion", reading: "Reading") -> Box:
    """Give a spot in voxels of the layer; along channels it is all of them."""
    spatial = Box.parse(spot.box)
    axes = reading.image.axes.spatial
    ends = dict(zip(axes, zip(spatial.start, spatial.stop, strict=True), strict=True))
    ends["t"] = (spot.time, spot.time + 1)
    whole = {letter: (0, n) for letter, n in reading.source.lengths.items()} | ends
    (start, stop) = zip(*(whole[letter] for letter in reading.source.axes), strict=True)
    return Box(start, stop)
