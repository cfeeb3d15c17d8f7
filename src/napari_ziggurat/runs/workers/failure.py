"""Failure: what went wrong, in one sentence for whoever is told."""

import errno

from napari_ziggurat.errors import WorkFailed, ZigguratError

__all__ = ["concerns_all", "explain", "explain_known"]

_LENGTH = 300  # characters of a library's message
_FULL = (errno.ENOSPC, errno.EDQUOT)


def concerns_all(error: BaseException) -> bool:
    """Tell whether what hit one block would hit every other: no room on disk, no memory."""
    no_room = isinstance(error, OSError) and error.errno in _FULL
    return no_room or isinstance(error, MemoryError | WorkFailed)


def explain(error: BaseException) -> str:
    """Put any error into words."""
    sentence = " ".join(str(error).split()) or "no message"
    return explain_known(error) or f"Unexpected {type(error).__name__}: {sentence[:_LENGTH]}"


def explain_known(error: BaseException) -> str | None:
    """Put an error into words that say the way out; None for what nobody foresaw."""
    if isinstance(error, ZigguratError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_system(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory; fewer --threads or a smaller --window needs less."
    # PyTorch's own, which must not be imported to be recognised.
    if type(error).__name__ == "OutOfMemoryError":
        return "The memory of the GPU is not enough; a smaller --batch or --window needs less."
    return None


def _explain_system(error: OSError) -> str:
    where = f" {error.filename}" if error.filename else ""
    if error.errno in _FULL:
        return f"The disk is full; could not write{where}. Free some space and run again."
    return f"The system refused{where}: {error.strerror}."
