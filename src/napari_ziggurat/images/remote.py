"""Remote: zarr stores on a server, read through fsspec; what goes wrong is said in words.

Zarr answers a chunk that is not there with the fill value. So what may pass for "not there" is
narrow: a server that says so. One that refuses, fails or is gone is an error.
"""

import asyncio
import atexit
import importlib.util
import logging
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from functools import cache
from typing import Any, Literal

import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore

from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.images.source import Url

__all__ = ["RemoteStore", "open_node"]

logger = logging.getLogger(__name__)

_NEEDS = {"http": ("fsspec", "aiohttp"), "https": ("fsspec", "aiohttp"), "s3": ("fsspec", "s3fs")}
_WAITS = (0.2, 1.0)  # seconds before a request is made again; s3fs does so itself
_CONNECT, _SILENCE = 30, 60  # seconds until a server counts as gone
_ABSENT = ("404", "NoSuchKey")
_MARKS = ("zarr.json", ".zgroup", ".zarray")


def open_node(url: Url) -> Any:
    """Open the array or group at a URL, for reading.

    Raises
    ------
    MissingError
        The server says that there is none.
    InputError
        The server cannot be read, or what reading it needs is not installed.
    """
    _check_installed(url)
    system = _file_system(url.scheme, _environment(url))
    store = RemoteStore(system, path=system._strip_protocol(str(url)), read_only=True)
    # Asked one by one: what fails is then the last thing that is going on. The copy of all metadata
    # that some stores keep is passed by, for it may be older than they are.
    mark = next((mark for mark in _MARKS if store.holds(mark)), None)
    if mark is None:
        raise MissingError(
            f"There is no zarr at {url}: the server has neither {', '.join(_MARKS[:2])} nor "
            f"{_MARKS[2]} there. Check the URL."
        )
    version: Literal[2, 3] = 3 if mark == "zarr.json" else 2
    return zarr.open(store, mode="r", zarr_format=version, use_consolidated=False)


class RemoteStore(FsspecStore):
    """A store on a server, which tells a chunk that is not there from one that cannot be had."""

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a value or a part of it; None when the server says that there is none.

        Raises
        ------
        InputError
            Anything else went wrong.
        """
        is_s3 = self._url(key).startswith("s3:")
        for wait in (None,) if is_s3 else (*_WAITS, None):
            try:
                return prototype.buffer.from_bytes(await self._fetch(key, byte_range))
            # Each library behind fsspec raises errors of its own.
            except Exception as error:
                if _is_absent(error):
                    return None
                if wait is None or _is_final(_status(error)):
                    raise InputError(_said(self._url(key), error)) from error
                logger.debug("%s is asked for again", self._url(key), exc_info=True)
                await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read parts of several values."""
        wanted = (self.get(key, prototype, part) for key, part in key_ranges)
        return list(await asyncio.gather(*wanted))

    def holds(self, key: str) -> bool:
        """Tell whether there is a value; it is read, which servers allow that refuse all else."""
        return sync(self.get(key, default_buffer_prototype())) is not None

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List names, where the server does: they are only hints, and many servers give none."""
        with suppress(Exception):
            async for name in super().list_dir(prefix):
                yield name

    async def _fetch(self, key: str, part: ByteRequest | None) -> bytes:
        start, end = _limits(part)
        path = f"{self.path.rstrip('/')}/{key}"
        return _cut(await self.fs._cat_file(path, start=start, end=end), start, end)

    def _url(self, key: str) -> str:
        return str(self.fs.unstrip_protocol(f"{self.path.rstrip('/')}/{key}"))


def _check_installed(url: Url) -> None:
    missing = [name for name in _NEEDS[url.scheme] if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"Reading {url} needs {' and '.join(missing)}, which is not installed: "
            'pip install "napari-ziggurat[remote]".'
        )


def _environment(url: Url) -> frozenset[tuple[str, str]]:
    """Give what the environment says about a server."""
    named = ((k, v) for k, v in os.environ.items() if k.startswith("AWS_"))
    return frozenset(named if url.scheme == "s3" else ())


@cache
def _file_system(scheme: str, environment: frozenset[tuple[str, str]]) -> Any:
    """Make the file system of a scheme: one that lives on, for each state of the environment."""
    import fsspec

    del environment
    options = {"asynchronous": True, "skip_instance_cache": True}
    system = fsspec.filesystem(scheme, **options, **_options(scheme))
    atexit.register(lambda: sync(_stop(system)))
    return system


async def _stop(system: Any) -> None:
    """End what is going on when Python does: after an error other requests still are."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if (session := getattr(system, "_session", None)) is not None:
        await session.close()


def _options(scheme: str) -> dict[str, Any]:
    if scheme == "s3":
        # Without max_concurrency each chunk costs two requests, the first for its size.
        return {"anon": _is_anonymous(), "max_concurrency": 1}
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)
    return {"client_kwargs": {"timeout": limits, "trust_env": True}}  # proxies and ~/.netrc


def _is_anonymous() -> bool:
    """Tell whether there are no credentials: s3fs does not then read what is public by itself."""
    from botocore.session import Session

    return Session().get_credentials() is None


def _limits(part: ByteRequest | None) -> tuple[int | None, int | None]:
    if isinstance(part, RangeByteRequest):
        return part.start, part.end
    if isinstance(part, OffsetByteRequest):
        return part.offset, None
    return (-part.suffix, None) if isinstance(part, SuffixByteRequest) else (None, None)


def _cut(data: bytes, start: int | None, end: int | None) -> bytes:
    """Cut out what was asked for: plain servers know no ranges and send everything."""
    if start is None:
        return data
    if start < 0:
        return data[start:]
    return data[start:end] if end is not None and len(data) > end - start else data


def _is_absent(error: BaseException) -> bool:
    """Tell whether a server said that there is nothing, and not merely that it failed.

    fsspec raises FileNotFoundError also when it could not find out; the cause says which it was.
    """
    if not isinstance(error, FileNotFoundError):
        return False
    cause = error.__cause__
    response = getattr(cause, "response", None)
    if isinstance(response, dict):
        return response.get("Error", {}).get("Code") in _ABSENT
    return cause is None or _is_absent(cause)


def _status(error: BaseException) -> int | None:
    """Status code of the answer; None where there was no answer."""
    if isinstance(error, PermissionError):
        return 403
    response = getattr(error.__cause__, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(error, "status", None)
    return found if isinstance(found, int) else None


def _is_final(status: int | None) -> bool:
    """Tell whether a server would answer the same once more; 408 and 429 say that it is busy."""
    return status is not None and 400 <= status < 500 and status not in (408, 429)


def _said(url: str, error: BaseException) -> str:
    status = _status(error)
    text = str(getattr(error, "message", None) or error).strip() or type(error).__name__
    reason = text.splitlines()[0].rstrip(".")
    if status in (401, 403):
        return (
            f"The server does not allow {url} to be read ({status}: {reason}). Check the URL and "
            "the credentials, for S3 those of the AWS_* variables."
        )
    if status is not None:
        way_out = "Check the URL." if _is_final(status) else "Try again later."
        return f"The server answers {url} with {status} ({reason}). {way_out}"
    return (
        f"No answer for {url} ({reason}): the server is gone or the connection broke. Check the "
        "URL and the network, and run the same again."
    )
