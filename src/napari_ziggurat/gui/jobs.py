"""Jobs: all work of one dock, and its clean end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QApplication, QWidget

from napari_ziggurat.gui.command import as_typed
from napari_ziggurat.gui.job import PATIENCE, Failure, Job
from napari_ziggurat.gui.log.log import Log
from napari_ziggurat.progress import Progress

__all__ = ["Handlers", "Jobs"]


class Jobs(QObject):
    """All that goes on for one dock; ends it when the dock or napari goes.

    A callback that arrives in a window that is gone can end the process. So nobody listens to a job
    but this object, which is silent once it is closed.
    """

    # The dock's Python object may be gone before its window says so: open ones are held here.
    _open: ClassVar[set["Jobs"]] = set()

    def __init__(self, dock: QWidget) -> None:
        super().__init__()
        self.closed = False
        self.log = Log()  # what was started and said, and what went wrong
        self._links: list[_Link] = []
        self._endings: list[Callable[[], None]] = []
        Jobs._open.add(self)
        dock.destroyed.connect(self.close)
        if application := QApplication.instance():
            application.aboutToQuit.connect(self.close)

    def at_close(self, ending: Callable[[], None]) -> None:
        """Call something at the end, when widgets may be gone already."""
        self._endings.append(ending)

    def start(self, job: Job, handlers: "Handlers") -> None:
        """Begin a job, unless everything has ended; it is held until it has ended itself."""
        if self.closed:
            return
        self._links = [link for link in self._links if not link.ended]
        self._links.append(_Link(self, job, handlers))
        if job.words:
            self.log.run(as_typed(job.words))
        job.start()

    def close(self) -> None:
        """End everything; gives the work some seconds to do so by itself."""
        if self.closed:
            return
        self.closed = True
        Jobs._open.discard(self)
        for ending in self._endings:
            ending()
        deadline = time.monotonic() + PATIENCE
        jobs = [link.job for link in self._links if not link.ended]
        for job in jobs:
            job.cancel()
        for job in jobs:
            job.wait(max(0.1, deadline - time.monotonic()))
        self._links.clear()
        self._endings.clear()


@dataclass(frozen=True)
class Handlers:
    """Bound methods of a dock that hear of a job."""

    done: Callable[[Any], None]
    failed: Callable[[Failure], None]
    progressed: Callable[[Progress], None] | None = None
    ended: Callable[[], None] | None = None
    told: Callable[[str], None] | None = None


class _Link(QObject):
    """Passes on what a job says, in the thread of the window, while its dock is there."""

    def __init__(self, jobs: Jobs, job: Job, handlers: Handlers) -> None:
        super().__init__()
        self.ended = False
        self.job, self._jobs, self._handlers = job, jobs, handlers
        job.progressed.connect(self._progressed)
        job.told.connect(self._told)
        job.done.connect(self._done)
        job.failed.connect(self._failed)
        job.ended.connect(self._ended)

    @property
    def _wanted(self) -> bool:
        """What was on its way when the job was cancelled or the dock closed still arrives here."""
        return not (self._jobs.closed or self.job.cancelled)

    def _progressed(self, step: Progress) -> None:
        if self._wanted and self._handlers.progressed:
            self._handlers.progressed(step)

    def _told(self, message: str) -> None:
        if not self._wanted:
            return
        self._jobs.log.say(message)
        if self._handlers.told:
            self._handlers.told(message)

    def _done(self, result: object) -> None:
        if not self._wanted:
            return
        try:
            self._handlers.done(result)
        except Exception as error:  # nobody else would tell the person who waits
            self._failed(Failure.of(error))

    def _failed(self, failure: Failure) -> None:
        if self._wanted:
            self._jobs.log.fail(failure.sentence, failure.details)
            self._handlers.failed(failure)

    def _ended(self) -> None:
        self.ended = True
        if not self._jobs.closed and self._handlers.ended:
            self._handlers.ended()
