"""Command: the command line that does what the dock does, and what it says while it runs."""

import re
import sys
from collections.abc import Sequence

from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.config import SegmentConfig

__all__ = ["program", "segment_words", "understand"]

_PYTHON = "python"
# As the command line writes it: "segment    [####----]  40 %  12/30  50 s left".
_LINE = re.compile(r"(?P<stage>\S.*?)\s+\[[#-]*\]\s+\d+ %\s+(?P<done>\d+)/(?P<total>\d+)")


def segment_words(config: SegmentConfig) -> list[str]:
    """Write a configuration as a command line; what is left as it is by default is left out."""
    given = config.model_dump(mode="json", exclude_defaults=True)
    positional = [f for f in given if config.shown(f).get("positional")]
    words = [_PYTHON, "-m", "napari_ziggurat", "segment", *(str(given[f]) for f in positional)]
    for field, value in given.items():
        if field not in positional:
            words += _option(config.option(field), value)
    return words


def program(words: Sequence[str]) -> list[str]:
    """Give the words as they are started: ``python`` is the one that runs napari."""
    return [sys.executable if words[0] == _PYTHON else words[0], *words[1:]]


def understand(line: str) -> Progress | None:
    """Read the progress in a line of the command's output; None where there is none."""
    found = _LINE.match(line)
    if found is None:
        return None
    return Progress(found["stage"], int(found["done"]), int(found["total"]))


def _option(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [name] if value else [f"--no-{name.removeprefix('--')}"]
    if isinstance(value, list | tuple):
        return [name, ",".join(f"{entry}" for entry in value)]
    return [name, str(value)]
