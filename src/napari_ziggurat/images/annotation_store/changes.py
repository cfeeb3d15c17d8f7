"""Changes: the strokes that were added to an annotation since somebody last asked."""

from napari_ziggurat.images.annotation_store.history import Record
from napari_ziggurat.images.annotation_store.store import AnnotationStore

__all__ = ["Changes"]


class Changes:
    """Follows the history of an annotation, whoever writes it, this process or another.

    Asking costs a look at the size of a file where nothing was added. Strokes from before this
    object was made are not given.
    """

    def __init__(self, store: AnnotationStore) -> None:
        self._path = store.path / ".ziggurat" / "history.jsonl"
        self._read = self._size()

    def new(self) -> list[Record]:
        """Give the strokes since the last call, oldest first."""
        size = self._size()
        if size <= self._read:
            self._read = size  # what is left of a torn line was cut off
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            lines = [line for line in file if line.endswith(b"\n")]  # the last may be half there
        self._read += sum(map(len, lines))
        return [record for record in map(Record.read, lines) if record is not None]

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:  # made with the first stroke
            return 0
