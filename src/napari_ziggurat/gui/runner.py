"""Runner: one run at a time, with its progress, its result and its end."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_ziggurat.gui.activity import Activity
from napari_ziggurat.gui.command import segment_words, understand
from napari_ziggurat.gui.growing import GrowingLabels
from napari_ziggurat.gui.job import Failure, Job, ProcessJob, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.results import Results, Target, shown_level
from napari_ziggurat.gui.tasks import Piece, ViewRequest, segment_arrays, segment_view
from napari_ziggurat.progress import Progress, duration

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer

    from napari_ziggurat.runs.config import SegmentConfig

__all__ = ["Runner"]

_WRITING = "segment"  # the stage in which blocks are written


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
        self.results = Results(viewer)
        self._job: Job | None = None
        self._growing: GrowingLabels | None = None
        self._began = 0.0
        self._was_complete = False
        self._kept = ""  # what a cancelled run leaves, as a sentence
        activity.cancelled.connect(self._cancel)

    @property
    def busy(self) -> bool:
        """Whether a run is in progress."""
        return self._job is not None

    def segment_view(self, request: ViewRequest, target: Target) -> None:
        """Segment a box, in a thread."""
        self._kept = ""
        job = ThreadJob(partial(segment_view, request))
        self._start(job, partial(self._view_done, target))

    def segment_whole(self, config: "SegmentConfig", target: Target) -> None:
        """Segment everything: the command line for a file, a thread for arrays in memory."""
        self._kept = " What has been written is kept; run it again to go on."
        self._was_complete = not config.overwrite and _is_complete(config.out)
        self._growing = GrowingLabels(self._viewer, self.results, target, config.out)
        self._growing.hinted.connect(self._activity.show_hint)
        if target.in_memory:
            job: Job = ThreadJob(partial(segment_arrays, target.image, config))
        else:
            job = ProcessJob(segment_words(config), understand)
        self._start(job, partial(self._whole_done, self._growing, config.out))

    def run_command(self, words: list[str], done: Callable[[object], str]) -> None:
        """Run a command line; ``done`` gets what it says at its end, and gives a sentence."""
        self._kept = " What has been written is kept; run it again to go on."
        self._start(ProcessJob(words, understand), partial(self._command_done, done))

    def fail(self, failure: Failure) -> None:
        """Show what went wrong."""
        self._activity.fail(failure)

    def forget(self) -> None:
        """Show nothing any more."""
        if self._growing is not None:
            self._growing.stop()

    def _start(self, job: Job, done: Callable[[Any], None]) -> None:
        (self._job, self._began) = (job, time.monotonic())
        self._activity.begin("Starting…")
        activity = self._activity
        heard = Handlers(done, activity.fail, self._progressed, self._ended, activity.tell)
        self._jobs.start(job, heard)
        self.changed.emit()

    def _progressed(self, step: Progress) -> None:
        self._activity.show_step(step)
        if self._growing is not None and step.stage == _WRITING:
            self._growing.start()

    def _view_done(self, target: Target, piece: Piece) -> None:
        self.results.show_piece(target, piece)
        shape = " × ".join(map(str, piece.labels.shape))
        self._activity.finish(f"{shape} voxels of level {piece.level}, in {self._elapsed}.")

    def _whole_done(self, growing: GrowingLabels, path: "Path", result: object) -> None:
        written = f"Written in {self._elapsed}"
        if self._was_complete:
            written = "It was complete already and nothing was computed"
        try:
            level = shown_level(growing.finish())
        except Exception as error:
            failure = Failure.of(error)
            sentence = f"{written}: {path}. But it cannot be shown: {failure.sentence}"
            self._activity.fail(Failure(sentence, failure.details))
        else:
            self._activity.finish(f"{written}, level {level}: {path}")

    def _command_done(self, done: Callable[[object], str], result: object) -> None:
        self._activity.finish(done(result))

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


def _is_complete(path: "Path") -> bool:
    """Tell whether a finished output lies there; a run that is the same has nothing to do."""
    from napari_ziggurat.images import read_record

    return path.exists() and (read_record(path) or {}).get("status") == "complete"
