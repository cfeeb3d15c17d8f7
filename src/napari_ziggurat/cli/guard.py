"""Guard: whatever goes wrong in a command ends in one sentence and an exit code."""

import errno
import logging
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.runs.workers.failure import explain, explain_known

__all__ = ["FAILED", "INTERRUPTED", "REFUSED", "guard", "say"]

FAILED = 1
REFUSED = 2
INTERRUPTED = 130

_REFUSED_BY_SYSTEM = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST, errno.ENAMETOOLONG,
}  # fmt: skip


@contextmanager
def guard(*, debug: bool) -> Iterator[None]:
    """Turn every error inside into a message on stderr and an exit code.

    Parameters
    ----------
    debug : bool
        Show tracebacks, the log and warnings of libraries as well.
    """
    _set_up_log(debug)
    with _terminated_like_interrupted(), warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        try:
            yield
        except (KeyboardInterrupt, Exception) as error:
            if isinstance(error, typer.Exit | BrokenPipeError):
                raise
            if debug:
                traceback.print_exc()
            (code, sentence) = _explain(error)
            say(sentence)
            raise typer.Exit(code) from None


def say(message: str) -> None:
    """Write a message for a person."""
    typer.echo(message, file=sys.stderr)


def _explain(error: BaseException) -> tuple[int, str]:
    """Exit code and sentence."""
    if isinstance(error, KeyboardInterrupt):
        return (
            INTERRUPTED,
            "Interrupted; what is finished is kept, and the same command does the rest.",
        )
    known = explain_known(error)
    unknown = f"{explain(error)} (run again with --debug for details)."
    return _code(error), known or unknown


def _code(error: BaseException) -> int:
    if isinstance(error, ZigguratError):
        return error.exit_code
    refused = isinstance(error, OSError) and error.errno in _REFUSED_BY_SYSTEM
    return REFUSED if refused else FAILED


def _set_up_log(debug: bool) -> None:
    """Show the log with ``--debug``; without, keep libraries from writing to stderr."""
    if debug:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO)
        logging.getLogger("napari_ziggurat").setLevel(logging.DEBUG)
    else:
        logging.basicConfig(handlers=[logging.NullHandler()])


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM, which schedulers send, end a command as tidily as Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread: nothing to catch there
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
