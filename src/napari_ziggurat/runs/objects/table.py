"""Table: objects as CSV or Parquet, written some rows at a time."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import MAX_CLASS
from napari_ziggurat.errors import InputError
from napari_ziggurat.images.disk import flush
from napari_ziggurat.runs.objects.rows import Columns

__all__ = ["Tables", "check_table", "read_table", "restore", "table_in", "write_columns"]

_NAME = "objects.csv"
_LINES = 2**14  # that are held as text


class _Writer(Protocol):
    def add(self, columns: Columns) -> None: ...


def table_in(store: Path) -> Path:
    """Name the table that goes with a store wherever that is moved."""
    return store / ".ziggurat" / _NAME


def check_table(path: Path) -> None:
    """Refuse a table that cannot be written.

    Raises
    ------
    InputError
        It is neither CSV nor Parquet, or Parquet and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(f"A table is .csv or .parquet; got '{path.name}'.")
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise InputError(
            "Parquet needs the package pyarrow, which is not installed. Install it with "
            "pip install 'napari-ziggurat[table]', or give --table a name ending in .csv."
        )


class Tables:
    """Writes the same rows to several files, each of which gets its name when it is whole.

    Parameters
    ----------
    paths : Path
        ``.csv`` or ``.parquet``.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self.classes: Counter[str] = Counter()
        """Objects of each class; none are told where every object is a class of its own."""
        self._counted = True

    def write(self, rows: Iterator[Columns]) -> None:
        """Write all rows."""
        write_columns(map(self._counting, rows), *self._paths)

    def _counting(self, columns: Columns) -> Columns:
        self._count(columns["class_name"])
        return columns

    def _count(self, names: NDArray[Any]) -> None:
        if self._counted:
            self.classes.update(names.tolist())
        if len(self.classes) > MAX_CLASS:
            self._counted = False
            self.classes.clear()


def write_columns(rows: Iterator[Columns], *paths: Path) -> None:
    """Write the same rows to several files, ``.csv`` or ``.parquet``."""
    with ExitStack() as opened:
        writers = [opened.enter_context(_open(path)) for path in paths]
        for columns in rows:
            for writer in writers:
                writer.add(columns)


@contextmanager
def _open(path: Path) -> Iterator[_Writer]:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _Parquet(part) if path.suffix.lower() == ".parquet" else _Csv(part) as writer:
            yield writer
        flush(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class _Csv:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._begun = False

    def __enter__(self) -> "_Csv":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, columns: Columns) -> None:
        if not self._begun:
            self._csv.writerow(columns)
            self._begun = True
        for start in range(0, len(columns["index"]), _LINES):
            part = (column[start : start + _LINES] for column in columns.values())
            self._csv.writerows(zip(*map(_texts, part), strict=True))


class _Parquet:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None

    def __enter__(self) -> "_Parquet":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, columns: Columns) -> None:
        import pyarrow
        import pyarrow.parquet

        kinds = {"O": pyarrow.string()}
        table = pyarrow.table(
            {k: pyarrow.array(v.tolist(), kinds.get(v.dtype.kind)) if v.dtype.kind == "O"
             else pyarrow.array(v) for k, v in columns.items()}
        )  # fmt: skip
        if self._file is None:
            self._file = pyarrow.parquet.ParquetWriter(self._path, table.schema)
        self._file.write_table(table)


def _texts(column: NDArray[Any]) -> list[str]:
    if column.dtype.kind == "f":
        return [f"{value:.9g}" for value in column.tolist()]
    return [str(value) for value in column.astype(object).tolist()]


def restore(inner: Path, path: Path) -> None:
    """Write a table from the CSV that lies with the objects."""
    if path.suffix.lower() != ".parquet":
        shutil.copyfile(inner, path)
        return
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(inner), path)


def read_table(path: Path, most: int) -> Mapping[str, NDArray[Any]] | None:
    """Read a CSV that was written here; None where it has more than ``most`` rows."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        names, found = next(lines), []
        for row in lines:
            found.append(row)
            if len(found) > most:
                return None
    columns = zip(*found, strict=True) if found else ([] for _ in names)
    return {name: _values(list(c)) for name, c in zip(names, columns, strict=True)}


def _values(texts: list[str]) -> NDArray[Any]:
    for kind in (np.int64, np.float64):
        try:
            return np.array(texts, kind)
        except ValueError:
            continue
    if set(texts) <= {"True", "False"}:
        return np.array([text == "True" for text in texts])
    return np.array(texts, object)
