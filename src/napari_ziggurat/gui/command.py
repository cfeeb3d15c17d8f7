"""Command: the command line that does what the dock does, and what it says while it runs."""

import re
import subprocess
import sys
from collections.abc import Sequence

from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.command import as_shell, command_words
from napari_ziggurat.runs.config import ExportConfig, SegmentConfig

__all__ = ["as_typed", "export_words", "segment_words", "understand"]

_WINDOWS = sys.platform == "win32"
_PLAIN = re.compile(r"[\w.:/\\,=+-]+")  # no character that cmd.exe takes for an order
# As the command line writes it: "segment    [####----]  40 %  12/30  50 s left".
_LINE = re.compile(r"(?P<stage>\S.*?)\s+\[[#-]*\]\s+\d+ %\s+(?P<done>\d+)/(?P<total>\d+)")


def segment_words(config: SegmentConfig) -> list[str]:
    """Write a configuration as a command line; what is left as it is by default is left out.

    The first word is the Python that runs napari, with its path: so the line works in any terminal.
    """
    return command_words(config, sys.executable, "-m", "napari_ziggurat", "segment")


def export_words(config: ExportConfig) -> list[str]:
    """Write the command line that exports a model."""
    return command_words(config, sys.executable, "-m", "napari_ziggurat", "export")


def as_typed(words: Sequence[str], *, windows: bool = _WINDOWS) -> str:
    """Join words as a person types them, quoted for the shell of the system."""
    return " ".join(map(_for_windows, words)) if windows else as_shell(words)


def understand(line: str) -> Progress | None:
    """Read the progress in a line of the command's output; None where there is none."""
    found = _LINE.match(line)
    if found is None:
        return None
    return Progress(found["stage"], int(found["done"]), int(found["total"]))


def _for_windows(word: str) -> str:
    quoted = subprocess.list2cmdline([word])
    return quoted if quoted.startswith('"') or _PLAIN.fullmatch(word) else f'"{word}"'
