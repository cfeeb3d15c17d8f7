"""History: who confirmed what and when, one line of JSON for each stroke.

The line is what makes a stroke count: its chunks are on the disk before the line is, and a line
that was torn by a crash is no line.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.geometry import Box

__all__ = ["History", "Kind", "Record"]

Kind = Literal["stroke", "complete", "correction", "import"]
"""How voxels were confirmed: painted, a box said to be complete, a prediction mended, a file."""

_TAIL = 2**16  # bytes at the end in which the last line is looked for at first


@dataclass(frozen=True)
class Record:
    """One stroke of the history.

    Attributes
    ----------
    number : int
        Counts from 1.
    when : str
        Time in UTC, ISO 8601.
    who, host : str
        Name of the person and of the machine.
    kind : {"stroke", "complete", "correction", "import"}
        How the voxels were confirmed.
    box : Box
        The voxels that changed lie in it; one range per axis of the annotation. For ``complete``
        the box that was said to be.
    painted : mapping of int to int
        Voxels that got each value, 0 for those that were erased; only voxels that changed.
    contradicted : int
        Voxels that had another label before: the later one wins.
    note : str
        Where it comes from, for an import.
    """

    number: int
    when: str
    who: str
    host: str
    kind: Kind
    box: Box
    painted: Mapping[int, int]
    contradicted: int = 0
    note: str = ""

    @property
    def changed(self) -> int:
        """Voxels that changed."""
        return sum(self.painted.values())

    def as_dict(self) -> dict[str, object]:
        """Give the record as JSON can hold it."""
        painted = {str(value): count for value, count in self.painted.items()}
        return {**self.__dict__, "box": str(self.box), "painted": painted}

    def line(self) -> bytes:
        """Give the line in the history."""
        return json.dumps(self.as_dict(), ensure_ascii=False).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Record | None":
        """Read a line; None for one that is torn or damaged."""
        try:
            values: dict[str, Any] = json.loads(line)
            values["box"] = Box.parse(values["box"])
            values["painted"] = {int(v): int(n) for v, n in values["painted"].items()}
            record = cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError, ZigguratError):
            return None
        return record if record.kind in get_args(Kind) and line.endswith(b"\n") else None


class History:
    """The file of the history.

    Parameters
    ----------
    path : Path
        Made with the first stroke.

    Attributes
    ----------
    last : int
        Number of the last stroke that counts; 0 where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.last = self._find_last()

    def __iter__(self) -> Iterator[Record]:
        """Give records from the first to the last, without lines that cannot be read."""
        return (record for record in self._lines() if record is not None)

    def unreadable(self) -> int:
        """Count the lines that cannot be read: what was painted is there, who did it is not."""
        return sum(record is None for record in self._lines())

    def append(self, record: Record) -> None:
        """Add a stroke; after an error the file is what it was before.

        Raises
        ------
        OSError
            The disk is full, or the system refuses.
        """
        self.mend()  # a line must not be added to what is left of one
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("ab") as file:
                file.write(record.line())
                file.flush()
                os.fsync(file.fileno())
            self.last = record.number
        except BaseException:
            if self.last != record.number and self._path.exists():
                os.truncate(self._path, size)
            raise

    def mend(self) -> None:
        """Cut off what is left of a line that was not finished; only whoever writes may."""
        if not self._path.exists():
            return
        end = _end_of_lines(self._path)
        if end < self._path.stat().st_size:
            os.truncate(self._path, end)

    def _lines(self) -> Iterator[Record | None]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):  # else it is being written, or torn
                    yield Record.read(line)

    def _find_last(self) -> int:
        """Give the number of the last line; strokes are numbered in order, damaged ones too."""
        lines = _tail(self._path) if self._path.exists() else []
        for behind, line in enumerate(reversed(lines)):
            if record := Record.read(line):
                return record.number + behind
        return len(lines)


def _tail(path: Path) -> list[bytes]:
    """Whole lines at the end of the file; all lines where the last ones cannot be read."""
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _TAIL)
        file.seek(start)
        lines = _whole(file.read())[1 if start else 0 :]
        if start == 0 or any(map(Record.read, lines)):
            return lines
        file.seek(0)
        return _whole(file.read())


def _whole(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines(keepends=True) if line.endswith(b"\n")]


def _end_of_lines(path: Path) -> int:
    """Place behind the last line feed."""
    with path.open("rb") as file:
        place = file.seek(0, os.SEEK_END)
        while place:
            start = max(0, place - _TAIL)
            file.seek(start)
            found = file.read(place - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            place = start
    return 0
