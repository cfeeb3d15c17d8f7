"""Result: the boxes that are suggested, as a table, as JSON and as files."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_ziggurat.errors import ExistsError, InputError

__all__ = ["SuggestResult", "Suggestion", "check_file", "write_file"]

_SUFFIXES = (".csv", ".json")
_NAMED = 3  # classes in a line of the table
_RARE = 0.005


@dataclass(frozen=True)
class Suggestion:
    """A box that is worth annotating.

    Attributes
    ----------
    rank : int
        1 is the first to annotate.
    time : int
        Time point.
    box : str
        Voxels of level 0, as ``--box`` takes them.
    level_box : str
        The same place in voxels of `SuggestResult.level`.
    centre : tuple of float
        In the unit of the image, ((z), y, x).
    score : float
        Entropy, less where the end of the image leaves only a part of a box; 0 to 1.
    entropy, disagreement : float
        Means over the box, 0 to 1.
    classes : mapping of str to float
        Share of each class that the model expects in the box.
    """

    rank: int
    time: int
    box: str
    level_box: str
    centre: tuple[float, ...]
    score: float
    entropy: float
    disagreement: float
    classes: Mapping[str, float]


@dataclass(frozen=True)
class SuggestResult:
    """Where to annotate next.

    Attributes
    ----------
    image : str
    level : int
        Level at which the boxes were judged.
    looked_at_level : int
        Level that was looked at everywhere.
    share : float
        Share of that level that was looked at.
    axes, unit : str, str or None
        Spatial axes of boxes and centres, and unit of the centres.
    boxes : tuple of Suggestion
        In the order in which they are worth annotating.
    windows : int
        Windows that were looked at.
    notes : tuple of str
        What a person should know, a sentence each.
    times : int
        Time points of the image.
    seconds : float
        Wall time.
    """

    image: str
    level: int
    looked_at_level: int
    share: float
    axes: str
    unit: str | None
    boxes: tuple[Suggestion, ...]
    windows: int
    notes: tuple[str, ...]
    times: int = 1
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Give the boxes and how they were found as JSON can hold them."""
        return asdict(self)

    def render(self) -> str:
        """Give the boxes as a table."""
        if not self.boxes:
            return "There is no box to suggest."
        rows = [self._head(), *map(self._row, self.boxes)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join(lines)

    def as_csv(self) -> str:
        """Give the boxes as comma-separated values, with a column for each class."""
        text = io.StringIO()
        centre = [f"centre_{axis}" for axis in self.axes]
        names = list(self.boxes[0].classes) if self.boxes else []
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["rank", "time", "box", *centre, "unit", "score", "entropy",
                         "disagreement", *names])  # fmt: skip
        for b in self.boxes:
            writer.writerow([b.rank, b.time, b.box, *b.centre, self.unit or "", b.score, b.entropy,
                             b.disagreement, *b.classes.values()])  # fmt: skip
        return text.getvalue()

    def _head(self) -> list[str]:
        time = ["time"] if self.times > 1 else []
        where = f"centre {self.axes} ({self.unit or 'no unit'})"
        return ["rank", *time, f"box {self.axes} (level 0)", where, "score", "entropy",
                "disagreement", "expected there"]  # fmt: skip

    def _row(self, box: Suggestion) -> list[str]:
        time = [str(box.time)] if self.times > 1 else []
        numbers = [f"{value:.3f}" for value in (box.score, box.entropy, box.disagreement)]
        centre = ", ".join(f"{value:.5g}" for value in box.centre)
        return [str(box.rank), *time, box.box, centre, *numbers, _words(box.classes)]


def _words(classes: Mapping[str, float]) -> str:
    """Name the most common classes."""
    common = sorted(classes.items(), key=lambda item: -item[1])[:_NAMED]
    return ", ".join(f"{name} {share:.0%}" for name, share in common if share >= _RARE)


def check_file(out: Path | None, *, overwrite: bool) -> None:
    """Refuse a file that is there, or of another kind, before anything is computed."""
    if out is None:
        return
    if out.suffix.lower() not in _SUFFIXES:
        raise InputError(f"--out is a {' or a '.join(_SUFFIXES)} file; got '{out}'.")
    if out.is_dir() or (out.exists() and not overwrite):
        raise ExistsError(f"'{out}' exists. Give another --out, or --overwrite to replace it.")


def write_file(result: SuggestResult, out: Path) -> None:
    """Write the boxes as the name of the file says; it has its name only when it is whole.

    Raises
    ------
    InputError
        The system refuses it.
    """
    as_json = out.suffix.lower() == ".json"
    text = json.dumps(result.as_dict(), indent=2, ensure_ascii=False) + "\n" if as_json else ""
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text or result.as_csv(), encoding="utf-8")
        part.replace(out)
    except OSError as error:
        raise InputError(
            f"'{out}' cannot be written ({error.strerror}). Give an --out in a folder that you may "
            "write to."
        ) from error
