"""Runner: one run at a time, with its progress, its result and its end."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.gui.activity import Activity, duration
from napari_ziggurat.gui.command import program, segment_words, understand
from napari_ziggurat.gui.growing import GrowingLabels
from napari_ziggurat.gui.job import Failure, Job, ProcessJob, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.results import Target, show_piece
from napari_ziggurat.gui.tasks import Piece, ViewRequest, segment_arrays, segment_view
from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari import Viewer

    from napari_ziggurat.runs.config import SegmentConfig

__all__ = ["Runner"]


class Runner(QObject):
    """Starts runs, shows how far they are, and lays what they make on the image.

    Parameters
    ----------
    viewer : Viewer
        Where results are shown.
    jobs : Jobs
        Owns the threads and processes.
    activity : Activity
        Where progress and messages are shown; its Cancel stops the run.
    """

    changed = Signal()  # a run has begun or ended

    def __init__(self, viewer: "Viewer", jobs: Jobs, activity: Activity) -> None:
        super().__init__()
        self._viewer, self._jobs, self._activity = viewer, jobs, activity
        self._job: Job | None = None
        self._target: Target | None = None
        self._growing: GrowingLabels | None = None
        self._began = 0.0
        self._kept = ""  # what a cancelled run leaves, as a sentence
        activity.cancelled.connect(self._cancel)

    @property
    def busy(self) -> bool:
        """Whether a run is in progress."""
        return self._job is not None

    def segment_view(self, request: ViewRequest, target: Target) -> None:
        """Segment a box, in a thread."""
        self._target = target
        self._kept = ""
        self._start(ThreadJob(partial(segment_view, request)), self._view_done)

    def segment_whole(self, config: "SegmentConfig", target: Target) -> None:
        """Segment everything: the command line for a file, a thread for arrays in memory."""
        self._kept = " What has been written is kept; run it again to go on."
        self._growing = GrowingLabels(self._viewer, target, config.out)
        if target.in_memory:
            job: Job = ThreadJob(partial(segment_arrays, target.image, config))
        else:
            job = ProcessJob(program(segment_words(config)), understand)
        self._start(job, self._whole_done)

    def forget(self) -> None:
        """Show nothing any more."""
        if self._growing is not None:
            self._growing.stop()

    def _start(self, job: Job, done: Callable[[Any], None]) -> None:
        (self._job, self._began) = (job, time.monotonic())
        self._activity.begin("Starting…")
        handlers = Handlers(done, self._activity.fail, self._progressed, self._ended)
        self._jobs.start(job, handlers)
        self.changed.emit()

    def _progressed(self, step: Progress) -> None:
        self._activity.show_step(step)
        if self._growing is not None and step.total:
            self._growing.start()

    def _view_done(self, piece: Piece) -> None:
        if self._target is not None:
            show_piece(self._viewer, self._target, piece)
        shape = " × ".join(map(str, piece.labels.shape))
        self._activity.say(f"{shape} voxels of level {piece.level}, in {self._elapsed}.")

    def _whole_done(self, result: object) -> None:
        try:
            path = self._growing.finish() if self._growing else None
        except ZigguratError as error:
            self._activity.fail(Failure.of(error))
        else:
            self._activity.say(f"Written in {self._elapsed}: {path}")

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _ended(self) -> None:
        if self._job is not None and self._job.cancelled:
            self._activity.say(f"Cancelled.{self._kept}")
        if self._growing is not None:
            self._growing.stop()
        self._job = self._growing = None
        self.changed.emit()

    @property
    def _elapsed(self) -> str:
        return duration(time.monotonic() - self._began)
