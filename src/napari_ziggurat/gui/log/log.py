"""Log: the last things that happened in a dock: what was said, what went wrong, what was run."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from qtpy.QtCore import QObject, Signal

__all__ = ["MOST", "Entry", "Log"]

MOST = 500  # entries; older ones are forgotten
_LONGEST = 20_000  # characters of details

Kind = Literal["said", "error", "command"]
_MARKS: dict[Kind, str] = {"said": "", "error": "⚠ ", "command": "$ "}


def _now() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Attributes
    ----------
    kind : {"said", "error", "command"}
    text : str
        A sentence, or a command line.
    details : str
        What only some want to read, such as where in the code an error came from.
    when : datetime
        With its time zone.
    """

    kind: Kind
    text: str
    details: str = ""
    when: datetime = field(default_factory=_now)

    @property
    def line(self) -> str:
        """The entry in one line, with its time."""
        return f"{self.when:%H:%M:%S}  {_MARKS[self.kind]}{' '.join(self.text.split())}"

    @property
    def whole(self) -> str:
        """Everything, as it is copied with others."""
        first = f"{self.when.isoformat(timespec='seconds')}  {_MARKS[self.kind]}{self.text}"
        return f"{first}\n{self.details}".rstrip()


class Log(QObject):
    """Keeps what happened, up to a length; the oldest goes first."""

    added = Signal(object)  # Entry
    replaced = Signal(object)  # Entry, in the place of the newest
    cleared = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._entries: deque[Entry] = deque(maxlen=MOST)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def say(self, sentence: str) -> None:
        """Take down what was said; a sentence that is said over again is there once."""
        if sentence.strip():
            self._put(Entry("said", sentence.strip()))

    def fail(self, sentence: str, details: str = "") -> None:
        """Take down what went wrong.

        A place of the dock shows a failure in words of its own after it was taken down here: that
        is the same one.
        """
        if self._entries and (last := self._entries[-1]).kind == "error" and last.text in sentence:
            details = details or last.details
        self._put(Entry("error", sentence, details[-_LONGEST:]))

    def run(self, command: str) -> None:
        """Take down a command line that is started."""
        self._put(Entry("command", command))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.cleared.emit()

    def _put(self, entry: Entry) -> None:
        last = self._entries[-1] if self._entries else None
        if last is not None and last.kind == entry.kind != "command" and last.text in entry.text:
            # In the words of the second, at the time of the first.
            self._entries[-1] = replace(entry, when=last.when)
            self.replaced.emit(self._entries[-1])
            return
        self._entries.append(entry)
        self.added.emit(entry)
