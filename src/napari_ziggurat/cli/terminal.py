"""Terminal: where a command shows what it does, on stderr, and what came out, on stdout."""

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TextIO, cast

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.progress import WATCHED, Clock, Progress, duration
from napari_ziggurat.runs.result import Result

__all__ = ["ProgressLine", "Terminal"]

_LOG_EVERY = 5.0  # seconds between two lines where lines stay
_DRAW_EVERY = 0.1  # seconds between two states of one line
_BAR = 20


class Terminal:
    """Follows a run and shows its result.

    Parameters
    ----------
    as_json : bool
        Show results as JSON.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def follow(self, run: Iterator[Progress]) -> Result:
        """Show the progress of a run until its end, then its result.

        Raises
        ------
        WorkFailed
            Some of the work failed; the result that the error carries was shown.
        """
        generator = cast("Generator[Progress, None, Result]", run)
        try:
            with closing(generator), closing(ProgressLine(sys.stderr)) as line:
                result = _finish(generator, line)
        except WorkFailed as error:
            made: Result | None = getattr(error, "result", None)
            if made is not None:  # what was done is a result as well
                self.show(made.as_dict(), made.render())
            raise
        self.show(result.as_dict(), result.render())
        return result

    def show(self, value: object, text: str) -> None:
        """Write a result: the value as JSON, or the text for a person."""
        if self._as_json:
            text = json.dumps(_json_value(value), indent=2, ensure_ascii=False, default=str)
        if text:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


class ProgressLine:
    """One line that tells what is done and how long the rest takes.

    On a terminal the line is drawn over itself; in a log there is a line for each stage and then
    one every few seconds, or as often as it would be drawn where a program reads the lines (the
    environment variable `WATCHED` is set).
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._every = _DRAW_EVERY if self._live or os.environ.get(WATCHED) else _LOG_EVERY
        self._clock = Clock()
        self._stage = ""
        self._shown = -math.inf
        self._line = ""  # on the screen now, to be drawn over

    def show(self, progress: Progress) -> None:
        """Show the newest state."""
        now = time.monotonic()
        if progress.stage != self._stage:
            self._end_line()
            (self._stage, self._shown) = (progress.stage, -math.inf)
        left = self._clock.left(progress, now)
        if progress.message:
            self._write(progress.message)
        elif self._is_due(progress, now):
            self._shown = now
            self._draw(describe(progress, left))

    def close(self) -> None:
        """Leave the cursor on a line of its own."""
        self._end_line()

    def _is_due(self, progress: Progress, now: float) -> bool:
        complete = progress.total is not None and progress.done == progress.total > 0
        return now - self._shown >= self._every or complete

    def _draw(self, text: str) -> None:
        if not self._live:
            self._stream.write(text + "\n")
        else:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r{text[:width]}\x1b[K")
            self._line = text
        self._stream.flush()

    def _write(self, message: str) -> None:
        """Write a message above the line."""
        self._stream.write("\r\x1b[K" if self._line else "")
        self._stream.write(message + "\n")
        if self._line:
            self._draw(self._line)
        self._stream.flush()

    def _end_line(self) -> None:
        if self._line:
            self._stream.write("\n")
            self._stream.flush()
        self._line = ""


def describe(progress: Progress, left: float | None = None) -> str:
    """Put a state in one line: ``train  [####----] 40 %  12/30  50 s left  loss 0.3``.

    Parameters
    ----------
    progress : Progress
        The state.
    left : float, optional
        Seconds until the stage is done.
    """
    (done, total) = (progress.done, progress.total)
    parts = [f"{progress.stage:<10}"]
    if total:
        filled = _BAR * done // total
        parts.append(f"[{'#' * filled}{'-' * (_BAR - filled)}] {100 * done // total:3d} %")
        parts.append(f"{done}/{total}")
    elif done:
        parts.append(str(done))
    if left is not None:
        parts.append(f"{duration(left)} left")
    parts += [f"{name} {value:.4g}" for name, value in progress.metrics.items()]
    return "  ".join(parts).rstrip()


def _finish(run: Generator[Progress, None, Result], line: ProgressLine) -> Result:
    while True:
        try:
            line.show(next(run))
        except StopIteration as stop:
            return cast("Result", stop.value)


def _json_value(value: object) -> object:
    """Replace what JSON has no word for: NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): _json_value(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_json_value(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
