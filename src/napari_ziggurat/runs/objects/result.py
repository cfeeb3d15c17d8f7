"""Result: what became of a segmentation's objects."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["ObjectsResult", "doubtful_beside"]

_LISTED = 12  # classes that are told one by one


@dataclass(frozen=True)
class ObjectsResult:
    """What was made, and the seam report.

    Attributes
    ----------
    out, table : str
        Labels of the objects, and their table.
    classes : mapping of str to int
        Objects of each class.
    objects, removed : int
        Objects, and those that were left out because they are too small.
    blocks, fragments : int
        Blocks that were worked on one by one, and the parts of objects in them.
    seams : int
        Objects that touch a seam: a place where two blocks meet.
    merged : int
        Objects that lie in several blocks.
    split : float
        Splitting strength; 0 where nothing was cut.
    settings : str
        How objects were made, and where that comes from; empty for plain components.
    cut, doubtful : int
        Necks at which two objects were cut apart, and those where a splitting strength that is a
        little different would decide otherwise.
    seconds : float
        Wall time.
    """

    out: str
    table: str
    classes: Mapping[str, int]
    objects: int
    removed: int
    blocks: int
    fragments: int
    seams: int
    merged: int
    split: float = 0.0
    settings: str = ""
    cut: int = 0
    doubtful: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        return asdict(self)

    def facts(self) -> dict[str, Any]:
        """Give what is told in the record of the output."""
        left_out = ("out", "table", "seconds")
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    def render(self) -> str:
        """Say how many objects there are, where they lie, and what the seams did to them."""
        each = ", ".join(f"{count} {name}" for name, count in self.classes.items())
        each = each if len(self.classes) <= _LISTED else f"of {len(self.classes)} classes"
        lines = [f"{self.out}: {_many(self.objects)}" + (f" ({each})" if each else "")]
        if self.removed:
            lines.append(f"{_many(self.removed)} smaller than --min-size left out")
        if self.blocks > 1:
            lines.append(
                f"seams between {self.blocks} blocks: {_many(self.seams)} touch one, "
                f"{self.merged} were joined from several blocks"
            )
        return "\n".join([*lines, *self._necks, f"table: {self.table}"])

    @property
    def _necks(self) -> list[str]:
        said = [f"objects made with {self.settings}"] if self.settings else []
        if not self.split:
            return said
        necks = "1 neck" if self.cut == 1 else f"{self.cut} necks"
        doubtful = f": {doubtful_beside(Path(self.table))}" if self.doubtful else ""
        return [*said, f"{necks} cut, {self.doubtful} doubtful{doubtful}"]


def doubtful_beside(table: Path) -> Path:
    """Name the table of doubtful necks that goes with a table of objects."""
    return table.with_name(f"{table.stem.removesuffix('_objects')}_doubtful.csv")


def _many(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"
