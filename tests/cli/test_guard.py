"""Guard: every way in which a command can end."""

import errno
import os
import signal
import sys
import time

import pytest
import typer
from typer.testing import CliRunner

from napari_ziggurat.cli.options import configured, plain
from napari_ziggurat.errors import DeviceError, InputError, WorkFailed
from napari_ziggurat.runs.config import DemoConfig


class OutOfMemoryError(RuntimeError):
    """Called as PyTorch calls its own."""


def run(error: BaseException, *arguments: str):
    """Run a command that raises."""
    app = typer.Typer()

    @app.command()
    @plain
    def fail(terminal):
        """Fail."""
        raise error

    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("The box is outside."), 2, "The box is outside."),
        (DeviceError("No GPU."), 2, "No GPU."),
        (WorkFailed("2 of 3 failed: a, b."), 1, "2 of 3 failed: a, b."),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (PermissionError(errno.EACCES, "Permission denied", "/out"), 2, "/out: Permission denied"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), 2, "a/b: Not a directory"),
        (OSError(errno.ENOSPC, "No space left on device", "/out"), 1, "disk is full"),
        (OSError(errno.EIO, "Input/output error", "/out"), 1, "/out: Input/output error"),
        (MemoryError(), 1, "not enough memory"),
        (OutOfMemoryError("CUDA"), 1, "memory of the GPU is not enough; a smaller --batch"),
        (
            ZeroDivisionError("division\nby zero"),
            1,
            "Unexpected ZeroDivisionError: division by zero",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_is_one_line_on_stderr_and_an_exit_code(error, code, words):
    result = run(error)
    assert result.exit_code == code
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


def test_what_is_unexpected_says_how_to_see_more():
    assert "--debug" in run(RuntimeError("x")).stderr


@pytest.mark.parametrize("error", [InputError("refused"), RuntimeError("unexpected")])
def test_tracebacks_are_for_debug_only(error):
    assert "Traceback" not in run(error).stderr
    assert "Traceback" in run(error, "--debug").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends a process at once there")
def test_sigterm_closes_the_run_and_counts_as_interrupted():
    closed = []
    app = typer.Typer()

    def work():
        try:
            yield
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            closed.append(True)

    @app.command()
    @configured(DemoConfig)
    def stop(config, terminal):
        """Stop."""
        for _ in work():
            pass

    before = signal.getsignal(signal.SIGTERM)
    result = CliRunner().invoke(app, [])
    assert (result.exit_code, closed) == (130, [True])
    assert signal.getsignal(signal.SIGTERM) is before
