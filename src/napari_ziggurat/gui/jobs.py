"""Jobs: work beside the window, in threads and child processes, and its clean end."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal
from qtpy.QtWidgets import QApplication, QWidget

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.progress import Progress

__all__ = ["Failure", "Handlers", "Job", "Jobs", "ProcessJob", "ThreadJob"]

_PATIENCE = 3.0  # seconds that work is given to stop
_PAUSE = 0.05  # seconds between two reports of progress, so that they do not flood the window


@dataclass(frozen=True)
class Failure:
    """What went wrong: a sentence for everybody, and the details for whoever wants them."""

    sentence: str
    details: str = ""

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        """Put an exception into words; ours are sentences, of others the type helps."""
        details = "".join(traceback.format_exception(error))
        if isinstance(error, ZigguratError):
            return cls(str(error), details)
        return cls(f"It stopped with {type(error).__name__}: {error}", details)


class Job(QObject):
    """One piece of work; its signals arrive in the thread of the window.

    A job that is cancelled says `ended` and neither `done` nor `failed`.
    """

    progressed = Signal(object)  # Progress
    done = Signal(object)  # what the work gave back
    failed = Signal(object)  # Failure
    ended = Signal()  # always, and last

    def __init__(self) -> None:
        super().__init__()
        self.cancelled = False

    def start(self) -> None:
        """Begin."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Ask the work to stop; `ended` says when it has."""
        self.cancelled = True

    def wait(self, seconds: float) -> None:
        """Block until the work has ended, or end it the hard way where that is possible."""
        raise NotImplementedError


class ThreadJob(Job):
    """A generator of `Progress`, run in a thread; stops at its next step when cancelled.

    A plain thread, not napari's worker: that one also reports errors and warnings to napari, which
    raises its own windows for them, and changes the warning filters of the whole process meanwhile.
    """

    def __init__(self, run: Callable[[], Iterator[Progress]]) -> None:
        super().__init__()
        self._run = run
        # A daemon: work that does not listen must not keep napari from closing.
        self._thread = threading.Thread(target=self._work, name="ziggurat", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Block until the thread has ended, or the time is over."""
        self._thread.join(seconds)

    def _work(self) -> None:
        try:
            result = self._exhaust(self._run())
        except Exception as error:
            if not self.cancelled:
                self.failed.emit(Failure.of(error))
        else:
            if not self.cancelled:
                self.done.emit(result)
        self.ended.emit()

    def _exhaust(self, run: Iterator[Progress]) -> object:
        last = 0.0
        try:
            while not self.cancelled:
                step = next(run)
                if time.monotonic() - last > _PAUSE or step.done == step.total:
                    last = time.monotonic()
                    self.progressed.emit(step)
        except StopIteration as stop:
            return stop.value
        finally:
            if close := getattr(run, "close", None):
                close()
        return None


class ProcessJob(Job):
    """A command line, run as a child process; `done` gives what it wrote to stdout.

    Parameters
    ----------
    words : sequence of str
        The program and its arguments.
    understand : callable
        Makes a `Progress` of a line on stderr, or None of a line that is none.
    """

    def __init__(self, words: Sequence[str], understand: Callable[[str], Progress | None]) -> None:
        super().__init__()
        self._words, self._understand = list(words), understand
        self._pending = ""
        self._said: list[str] = []
        self._process = QProcess(self)
        self._process.setProcessEnvironment(_environment())
        self._process.readyReadStandardError.connect(self._read)
        self._process.errorOccurred.connect(self._not_started)
        self._process.finished.connect(self._finished)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def start(self) -> None:
        """Begin."""
        self._process.start(self._words[0], self._words[1:])

    def cancel(self) -> None:
        """Interrupt it, so that the next run can go on; kill it when it does not listen."""
        super().cancel()
        self._process.terminate()  # the command treats it like Ctrl-C
        QTimer.singleShot(int(1000 * _PATIENCE), self._process.kill)

    def wait(self, seconds: float) -> None:
        """Block until the process has ended; kill it when the time is over."""
        if not self._process.waitForFinished(int(1000 * seconds)):
            self._process.kill()
            self._process.waitForFinished(1000)

    def _read(self) -> None:
        self._pending += bytes(self._process.readAllStandardError().data()).decode(errors="replace")
        # A progress bar is rewritten with carriage returns.
        (*lines, self._pending) = self._pending.replace("\r", "\n").split("\n")
        for line in filter(None, map(str.strip, lines)):
            step = self._understand(line)
            if step is None:
                self._said.append(line)
            else:
                self.progressed.emit(step)

    def _not_started(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.failed.emit(Failure(f"'{self._words[0]}' could not be started."))
            self.ended.emit()

    def _finished(self, code: int) -> None:
        self._read()
        if not self.cancelled:
            if code == 0:
                out = bytes(self._process.readAllStandardOutput().data())
                self.done.emit(out.decode(errors="replace"))
            else:
                self.failed.emit(self._failure(code))
        self.ended.emit()

    def _failure(self, code: int) -> Failure:
        said = [*self._said, self._pending.strip()]
        last = next((line for line in reversed(said) if line), f"It ended with exit code {code}.")
        return Failure(last.removeprefix("Error: "), "\n".join(said))


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
        job.start()

    def close(self) -> None:
        """End everything; gives the work some seconds to do so by itself."""
        if self.closed:
            return
        self.closed = True
        Jobs._open.discard(self)
        for ending in self._endings:
            ending()
        deadline = time.monotonic() + _PATIENCE
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


class _Link(QObject):
    """Passes on what a job says, in the thread of the window, while its dock is there."""

    def __init__(self, jobs: Jobs, job: Job, handlers: Handlers) -> None:
        super().__init__()
        self.ended = False
        self.job, self._jobs, self._handlers = job, jobs, handlers
        job.progressed.connect(self._progressed)
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

    def _done(self, result: object) -> None:
        if self._wanted:
            self._handlers.done(result)

    def _failed(self, failure: Failure) -> None:
        if self._wanted:
            self._handlers.failed(failure)

    def _ended(self) -> None:
        self.ended = True
        if not self._jobs.closed and self._handlers.ended:
            self._handlers.ended()


def _environment() -> QProcessEnvironment:
    """Let the child write its lines at once, not when it has many."""
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert("PYTHONUNBUFFERED", "1")
    return environment
