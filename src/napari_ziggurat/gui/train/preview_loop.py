"""Preview loop: looks what is visible and what was learned since, one piece at a time."""

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.job import Failure, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.train.preview import Preview
from napari_ziggurat.gui.train.unsure import Unsure
from napari_ziggurat.gui.view import visible_box

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_ziggurat.gui.source import Reading
    from napari_ziggurat.gui.train.live import Live, Shown

__all__ = ["PreviewLoop"]

_EVERY = 150  # ms between looks
_QUIET = 0.12  # s since the view moved last
_LEARNED = 0.5  # s between two previews of one view


class PreviewLoop(QObject):
    """Shows what a training makes of the visible region, whenever either changes.

    Parameters
    ----------
    viewer : Viewer
    jobs : Jobs
        Owns the threads.
    """

    said = Signal(str)  # why there is no preview; empty where there is one

    def __init__(self, viewer: "Viewer", jobs: Jobs) -> None:
        super().__init__()
        self._viewer, self._jobs = viewer, jobs
        self.preview = Preview(viewer)
        self.unsure = Unsure(viewer)
        self._hidden = False  # the labels
        self.as_unsure = False  # the uncertainty is shown in place of the labels
        self.step = 0  # of the training
        self._of: tuple[Live, ImageLayer, Reading] | None = None
        self._job: ThreadJob | None = None
        self._seen: Any = None  # where the view was at the last look
        self._moved = 0.0
        self._shown: tuple[Any, int] = (None, 0)  # view and step of the last preview
        self._began = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY)
        self._timer.timeout.connect(self._look)

    def start(self, live: "Live", image: "ImageLayer", reading: "Reading") -> None:
        """Show a training on its image."""
        if self._of != (live, image, reading):
            (self._shown, self.step) = ((None, 0), 0)
        self._of = (live, image, reading)
        self._timer.start()

    def stop(self, *, remove: bool = False) -> None:
        """Show nothing new."""
        self._timer.stop()
        if remove:
            self.preview.remove()
            self.unsure.remove()
            self._hidden = False
            self._shown = (None, 0)

    def go_back(self, step: int) -> None:
        """Show a training again whose last steps were taken back."""
        (self.step, self._shown) = (step, (None, 0))
        if step == 0:
            self.stop(remove=True)
            self._timer.start()

    def place(self) -> tuple[Box, int] | None:
        """Give the visible voxels of level 0, ((Z), Y, X), and the time point."""
        if self._of is None or self._of[1] not in self._viewer.layers:
            return None
        box = visible_box(self._viewer, self._of[1])
        return None if box is None else _spatial(self._of[2], box)

    def show_unsure(self, wanted: bool) -> None:
        """Show how unsure the training is, or its labels."""
        self.as_unsure = wanted
        self._shown = (None, 0)  # looked at anew

    def _look(self) -> None:
        """Begin a preview where the view has come to rest, or more was learned."""
        if self._of is None or self._jobs.closed:
            return
        (live, image, reading) = self._of
        if self._job is not None or self.step == 0 or image not in self._viewer.layers:
            return
        box = visible_box(self._viewer, image)
        now = time.monotonic()
        if box != self._seen:
            (self._seen, self._moved) = (box, now)
        if box is None:
            self.said.emit("No preview: the canvas shows no plane of this image in 2D.")
            return
        (where, step) = self._shown
        moved = box != where and now - self._moved >= _QUIET
        learned = self.step > step and now - self._began >= _LEARNED
        if moved or (learned and box == where):
            self._begin(live, reading, box, now)

    def _begin(self, live: "Live", reading: "Reading", box: Box, now: float) -> None:
        (self._shown, self._began) = ((box, self.step), now)
        asked = partial(live.preview, *_spatial(reading, box), unsure=self.as_unsure)
        self._job = ThreadJob(asked)
        self._jobs.start(self._job, Handlers(self._done, self._failed, ended=self._ended))

    def _done(self, shown: "Shown | None") -> None:
        wanted = self._timer.isActive() and self.step > 0
        if shown is not None and self._of is not None and wanted:
            (_, image, reading) = self._of
            if image in self._viewer.layers:
                self.preview.show(image, reading, shown)
                self.unsure.show(image, reading, shown)
                self._hide_labels(shown.unsure is not None)
                self.said.emit("")

    def _hide_labels(self, hidden: bool) -> None:
        """Hide the labels, or show them; what a person does to the layer meanwhile stays."""
        if hidden != self._hidden:
            self._hidden = hidden
            self.preview.set_visible(not hidden)

    def _failed(self, failure: Failure) -> None:
        self.said.emit(f"⚠ No preview: {failure.sentence}")

    def _ended(self) -> None:
        self._job = None


def _spatial(reading: "Reading", box: Box) -> tuple[Box, int]:
    """Take a box of a layer apart: its axes in space, and its time point."""
    at = dict(zip(reading.source.axes, zip(box.start, box.stop, strict=True), strict=True))
    (start, stop) = zip(*(at[letter] for letter in reading.image.axes.spatial), strict=True)
    return Box(start, stop), at.get("t", (0, 1))[0]
