"""Source: where an image lies, a path on this machine or the URL of a store on a server."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from napari_ziggurat.errors import InputError

__all__ = ["Source", "Url", "is_url", "to_source"]

SCHEMES = ("http", "https", "s3")

# Two letters at least: C:// is a drive.
_URL = re.compile(r"([A-Za-z][\w+.-]+)://")
_MANGLED = re.compile(r"(https?|s3):[/\\](?![/\\])")


@dataclass(frozen=True, order=True)
class Url:
    """The URL of a zarr store or of a node in one; it is joined as a path is.

    Attributes
    ----------
    text : str
        The URL as it was given, without a slash at its end.
    """

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.rstrip("/"))
        _check(self.text)

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, name: str) -> "Url":
        return Url(f"{self.text}/{name}")

    @property
    def scheme(self) -> str:
        """What comes before ``://``, in small letters."""
        return self.text.partition("://")[0].lower()

    @property
    def name(self) -> str:
        """What comes after the last slash, in plain letters."""
        return unquote(self.text.rpartition("/")[2])

    @property
    def suffix(self) -> str:
        """Suffix of the name, such as ``".zarr"``."""
        return PurePosixPath(self.name).suffix


Source = Path | Url


def is_url(text: object) -> bool:
    """Tell whether something is or looks like a URL, of whatever scheme."""
    return isinstance(text, Url) or (isinstance(text, str) and bool(_URL.match(text)))


def to_source(text: str | os.PathLike[str] | Url) -> Source:
    """Take what was given for a URL or for a path.

    Raises
    ------
    InputError
        It is a URL that cannot name a store, or one that lost a slash.
    """
    if isinstance(text, Url):
        return text
    if isinstance(text, str) and _URL.match(text):
        return Url(text)
    _refuse_mangled(os.fspath(text))
    return Path(text)


def _check(text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise InputError(
            f"Images are read by URL from http://, https:// and s3://; '{text}' is none of these. "
            "Files on this machine are named by their path."
        )
    if parts.password is not None:
        raise InputError(
            f"The URL of {parts.hostname} holds a password, which would be written into the "
            "results. Put it into ~/.netrc, and leave it out of the URL."
        )
    if parts.scheme != "s3" and (parts.query or parts.fragment):
        raise InputError(
            f"A store is many files, and '{text}' names one of them by what follows '?' or '#'; "
            "give the URL of the store alone."
        )


def _refuse_mangled(text: str) -> None:
    if _MANGLED.match(text):
        raise InputError(
            f"'{text}' is no URL: two slashes follow the colon. In Python give a URL as text, "
            "for Path takes a slash away."
        )
