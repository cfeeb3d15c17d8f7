"""Rows: a table of objects, of which some are shown: sorted, filtered, the first ones."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError

__all__ = ["NUMBER", "Rows"]

NUMBER = "index"  # the column with the values of the voxels

_COMPARED = re.compile(r"(\w+)\s*(<=|>=|!=|=|<|>)\s*(\S.*)")
_OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """A table, column by column; all have one length.

    Attributes
    ----------
    columns : mapping of str to array
        One of them is `NUMBER`.
    """

    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns[NUMBER])

    def find(self, number: int) -> int | None:
        """Give the row of an object; None where it has none."""
        found = np.flatnonzero(self.columns[NUMBER] == number)
        return int(found[0]) if len(found) else None

    def order(self, words: str = "", by: str = "", *, descending: bool = False) -> NDArray[np.intp]:
        """Give the rows that match words, in the order of a column; as they come without one.

        Parameters
        ----------
        words : str
            Parts with commas between them, all of which must be so: ``volume>20``, ``class=1``,
            or a part of the name of a class. Nothing: all rows.
        by : str
            Column.
        descending : bool
            The largest first.

        Raises
        ------
        InputError
            A part is not understood.
        """
        kept = np.ones(len(self), bool)
        for part in filter(None, map(str.strip, words.split(","))):
            kept &= self._matching(part)
        rows = np.flatnonzero(kept)
        if by:
            ranks = np.argsort(self.columns[by][rows], kind="stable")
            rows = rows[ranks[::-1] if descending else ranks]
        return rows

    def _matching(self, part: str) -> NDArray[np.bool_]:
        found = _COMPARED.fullmatch(part)
        if found is not None:
            return self._compared(*found.groups())
        if part.isdecimal():
            return np.asarray(self.columns[NUMBER] == int(part))
        names = self.columns.get("class_name", np.full(len(self), ""))
        return np.array([part.lower() in str(name).lower() for name in names], bool)

    def _compared(self, name: str, sign: str, text: str) -> NDArray[np.bool_]:
        if name not in self.columns:
            raise InputError(f"There is no column '{name}'; there are {', '.join(self.columns)}.")
        column = self.columns[name]
        if column.dtype.kind in "iuf":
            try:
                return np.asarray(_OPERATIONS[sign](column, float(text)), bool)
            except ValueError:
                raise InputError(
                    f"Column '{name}' holds numbers and '{text}' is none; write for example "
                    f"{name}>20."
                ) from None
        texts = np.array([str(value).lower() for value in column])
        return np.asarray(_OPERATIONS[sign](texts, text.lower()), bool)
