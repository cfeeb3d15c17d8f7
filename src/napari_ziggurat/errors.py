"""Errors that people read: each says the rule, the values and the way out.

Every error is also the builtin that Python programmers expect, so ``except ValueError`` works.
"""

__all__ = [
    "DeviceError",
    "ExistsError",
    "InputError",
    "MissingError",
    "WorkFailed",
    "ZigguratError",
]


class ZigguratError(Exception):
    """Base of all errors that the package raises on purpose.

    Attributes
    ----------
    exit_code : int
        What the command line exits with: 2 for refused input, 1 for work that failed.
    """

    exit_code: int = 2


class InputError(ZigguratError, ValueError):
    """Something that was given does not fit: a shape, a value, a name, an axis."""


class MissingError(ZigguratError, FileNotFoundError):
    """A file or folder that was named is not there."""


class ExistsError(ZigguratError, FileExistsError):
    """Writing would replace something that exists."""


class DeviceError(ZigguratError, RuntimeError):
    """A device was asked for that cannot be used."""


class WorkFailed(ZigguratError, RuntimeError):
    """Some of the work failed; the message names it. What was finished is kept."""

    exit_code = 1
