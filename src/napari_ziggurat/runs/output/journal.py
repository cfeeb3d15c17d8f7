"""Journal: which blocks of a run are done, so that an interrupted run goes on.

Every process that works on a run appends to a file of its own, one line per block, after the
block's shards are on the disk. The journal carries the fingerprint of its run: another model, input
or setting is refused by name.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from filelock import FileLock, Timeout

from napari_ziggurat.errors import ExistsError

__all__ = ["Entry", "Fingerprint", "Journal", "Log"]


# Parts of a fingerprint that say how it is computed and stored, and not what.
_HOW = ("block", "batch", "device", "OME-Zarr version")


@dataclass(frozen=True)
class Fingerprint:
    """Everything that decides the result of a run, by name."""

    parts: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the parts."""
        text = json.dumps(self.parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def seed(self) -> int:
        """Number for what is drawn at random: the same however the work is divided."""
        kept = {name: part for name, part in self.parts.items() if name not in _HOW}
        return int(Fingerprint(kept).digest[:16], 16)

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Names of the parts that differ."""
        mine = json.loads(json.dumps(self.parts, default=str))
        return sorted(k for k in {*mine, *other} if mine.get(k) != other.get(k))


@dataclass(frozen=True)
class Entry:
    """A finished block.

    Attributes
    ----------
    task : int
        Number of the task.
    digest : str
        Of the files that it wrote.
    windows : int
        Windows that it needed; 0 for a block that is made of finer ones.
    seconds : float
        How long it took.
    batch : int
        Windows that went through the network together.
    constant : int
        Of the windows, those that held one value: the network saw each value once.
    foreground : int
        Voxels of its labels that are not background; counted where there is a gate.
    audited : sequence of (tile, voxels)
        Foreground in cells that were computed to see what a gate misses.
    """

    task: int
    digest: str
    windows: int
    seconds: float
    batch: int = 1
    constant: int = 0
    foreground: int = 0
    audited: Sequence[Sequence[int]] = ()

    def line(self) -> bytes:
        """Give the line in the journal."""
        return json.dumps(asdict(self) | {"seconds": round(self.seconds, 3)}).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Entry | None":
        """Read a line; None for one that a process left torn when it died."""
        try:
            return cls(**json.loads(line)) if line.endswith(b"\n") else None
        except (ValueError, TypeError):
            return None


class Log:
    """The journal's file of this process; a context manager that closes it.

    Parameters
    ----------
    path : Path
        A file that nobody else writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, entry: Entry) -> None:
        """Note a finished block on the disk; call it after its shards are there."""
        if self._file is None:
            self._file = self._path.open("ab")
        self._file.write(entry.line())
        self._file.flush()
        os.fsync(self._file.fileno())


class Journal:
    """The finished blocks of one output, in a folder inside it.

    Parameters
    ----------
    folder : Path
        Made when the run begins.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[Path, int] = {}

    @property
    def exists(self) -> bool:
        """Tell whether a run has begun here."""
        return self._run.is_file()

    def begin(self, fingerprint: Fingerprint) -> None:
        """Start a journal."""
        self._logs.mkdir(parents=True, exist_ok=True)
        _write_whole(self._run, json.dumps(dict(fingerprint.parts), default=str).encode())

    @property
    def digest(self) -> str:
        """Digest of the fingerprint of the run that began here."""
        return Fingerprint(self._parts).digest

    @contextmanager
    def locked(self, out: Path) -> Iterator[None]:
        """Keep other processes off; the lock ends with the process, however that ends.

        Raises
        ------
        ExistsError
            Another process holds it.
        """
        try:
            with FileLock(self.folder / "lock", timeout=0):
                yield
        except Timeout:
            raise ExistsError(
                f"'{out}' is being written by another process. Wait for it or end it; to let "
                "several share the work, start each of them with --part."
            ) from None

    @property
    def seed(self) -> int:
        """Number for what the run that began here draws at random."""
        return Fingerprint(self._parts).seed

    def differences(self, fingerprint: Fingerprint) -> list[str]:
        """Name what differs from the run that began here; nothing for the same run."""
        return fingerprint.differences(self._parts)

    def check(self, fingerprint: Fingerprint, out: Path) -> None:
        """Refuse to go on with another run than the one that began here.

        Raises
        ------
        ExistsError
            The message names what differs.
        """
        if differs := self.differences(fingerprint):
            raise ExistsError(
                f"'{out}' holds another run (different {', '.join(differs)}). "
                "Give another --out, or --overwrite to replace it."
            )

    def log(self) -> Log:
        """Give a file for the blocks that this process finishes."""
        return Log(self._logs / f"{uuid.uuid4().hex}.jsonl")

    def news(self) -> Iterator[Entry]:
        """Entries since the last call, of all processes that work here; all after `replace`."""
        self._adopt()
        for path in sorted(self._logs.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # being written, or torn
                    self._read[path] = self._read.get(path, 0) + len(line)
                    if (entry := Entry.read(line)) is not None:
                        yield entry

    def _adopt(self) -> None:
        """Finish a `replace` that was killed after it had removed the old entries."""
        part = self._logs / "blocks.part"
        if part.exists() and not any(self._logs.glob("*.jsonl")):
            part.replace(part.with_suffix(".jsonl"))

    def replace(self, entries: Iterable[Entry]) -> None:
        """Put these entries in place of all that are there; nobody may work on the run."""
        lines = b"".join(entry.line() for entry in entries)
        old = list(self._logs.glob("*.jsonl"))
        new = self._logs / "blocks.jsonl"
        part = new.with_suffix(".part")
        _flush(part, lines)
        for path in old:  # a block that is forgotten is done again; a wrong one must not return
            path.unlink()
        part.replace(new)
        self._read = {}

    @property
    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = json.loads(self._run.read_text(encoding="utf-8"))
        return parts

    @property
    def _run(self) -> Path:
        return self.folder / "run.json"

    @property
    def _logs(self) -> Path:
        return self.folder / "blocks"


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file in full, flush it to the disk, then give it its name."""
    part = path.with_suffix(".part")
    _flush(part, content)
    part.replace(path)


def _flush(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
