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
    if isinstance(error, ZigguratError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "Interrupted; what is finished is kept, the same command goes on."
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_system(error)
    if isinstance(error, MemoryError):
        return FAILED, "There is not enough memory; a smaller --batch or --patch needs less."
    sentence = " ".join(str(error).split()) or "no message"
    return FAILED, (
        f"Unexpected {type(error).__name__}: {sentence[:300]} (run again with --debug for details)."
    )


def _explain_system(error: OSError) -> tuple[int, str]:
    where = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FAILED, f"The disk is full; could not write{where}. Free some space and run again."
    code = REFUSED if error.errno in _REFUSED_BY_SYSTEM else FAILED
    return code, f"The system refused{where}: {error.strerror}."


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
