"""Job: one piece of work beside the window, in a thread or a child process."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.progress import WATCHED, Progress

__all__ = ["PATIENCE", "Failure", "Job", "ProcessJob", "ThreadJob"]

PATIENCE = 3.0  # seconds that work is given to stop
_PAUSE = 0.05  # seconds between two reports of progress, so that they do not flood the window
_KILLED = (
    "The command was killed from outside, most often because memory ran out. What it has written "
    "is kept: close other programs and run it again to go on."
)


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
    told = Signal(str)  # a sentence for the person who waits
    done = Signal(object)  # what the work gave back
    failed = Signal(object)  # Failure
    ended = Signal()  # always, and last

    def __init__(self) -> None:
        super().__init__()
        self.cancelled = False
        self.words: tuple[str, ...] = ()  # of a command line

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
        with suppress(RuntimeError):  # napari has ended meanwhile, and Qt with it
            self.ended.emit()

    def _exhaust(self, run: Iterator[Progress]) -> object:
        last = 0.0
        try:
            while not self.cancelled:
                step = next(run)
                if step.message:
                    self.told.emit(step.message)
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
        self.words, self._understand = tuple(words), understand
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
        self._process.start(self.words[0], list(self.words[1:]))

    def cancel(self) -> None:
        """Interrupt it, so that the next run can go on; kill it when it does not listen."""
        super().cancel()
        self._process.terminate()  # the command treats it like Ctrl-C
        QTimer.singleShot(int(1000 * PATIENCE), self._process.kill)

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
                self.told.emit(line)
            else:
                self.progressed.emit(step)

    def _not_started(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.failed.emit(Failure(f"'{self.words[0]}' could not be started."))
            self.ended.emit()

    def _finished(self, code: int) -> None:
        self._read()
        if not self.cancelled:
            if code == 0 and self._process.exitStatus() == QProcess.ExitStatus.NormalExit:
                out = bytes(self._process.readAllStandardOutput().data())
                self.done.emit(out.decode(errors="replace"))
            else:
                self.failed.emit(self._failure(code))
        self.ended.emit()

    def _failure(self, code: int) -> Failure:
        if self._process.exitStatus() == QProcess.ExitStatus.CrashExit:
            return Failure(_KILLED, "\n".join(self._said))
        said = [*self._said, self._pending.strip()]
        last = next((line for line in reversed(said) if line), f"It ended with exit code {code}.")
        return Failure(last.removeprefix("Error: "), "\n".join(said))


def _environment() -> QProcessEnvironment:
    """Let the child write its lines at once, and often."""
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert("PYTHONUNBUFFERED", "1")
    environment.insert(WATCHED, "1")
    return environment
