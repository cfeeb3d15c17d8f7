"""Command: a configuration as the command line that does the same."""

import shlex
from collections.abc import Sequence

from napari_ziggurat.runs.settings import Settings
from napari_ziggurat.runs.values import ImageSource

__all__ = ["as_shell", "command_words"]


def command_words(config: Settings, *program: str) -> list[str]:
    """Write a configuration as a command line; what is left as it is by default is left out.

    Parameters
    ----------
    config : Settings
        What is to be done.
    program : str
        The words before its options, such as ``"ziggurat", "segment"``.
    """
    given = config.model_dump(mode="json", exclude_defaults=True)
    positional = [f for f in given if config.shown(f).get("positional")]
    words = [*program, *(str(given[field]) for field in positional)]
    for field, value in given.items():
        if field not in positional:
            many = config.model_fields[field].annotation == tuple[ImageSource, ...]
            for each in value if many else (value,):  # files are said one by one
                words += _option(config.option(field), each)
    return words


def as_shell(words: Sequence[str]) -> str:
    """Join words as a POSIX shell reads them."""
    return shlex.join(words)


def _option(name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [name] if value else [f"--no-{name.removeprefix('--')}"]
    if isinstance(value, list | tuple):
        return [name, ",".join(f"{entry}" for entry in value)]
    return [name, str(value)]
