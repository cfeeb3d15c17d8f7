"""Result: what became of a segmentation's objects."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["ObjectsResult"]

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
        Objects that were joined from several fragments.
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
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        return asdict(self)

    def facts(self) -> dict[str, Any]:
        """Give what is told in the record of the output."""
        kept = ("classes", "objects", "removed", "blocks", "fragments", "seams", "merged")
        return {name: asdict(self)[name] for name in kept}

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
                f"{self.merged} were joined from several fragments, none is doubtful"
            )
        return "\n".join([*lines, f"table: {self.table}"])


def _many(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"
