"""AnnotationStore: labels that people paint, on images of any size, safe at each stroke."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, UNLABELLED, LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box
from napari_ziggurat.images.annotation_store.chunks import Chunks, Index, Voxels
from napari_ziggurat.images.annotation_store.drawn_on import DrawnOn
from napari_ziggurat.images.annotation_store.files import (
    annotation_attributes,
    check_values,
    make_files,
    open_array,
)
from napari_ziggurat.images.annotation_store.history import Kind, Record
from napari_ziggurat.images.annotation_store.holder import now, user_name
from napari_ziggurat.images.annotation_store.ledger import Change, Ledger
from napari_ziggurat.images.annotation_store.names import read_classes, write_classes
from napari_ziggurat.images.annotation_store.place import default_place
from napari_ziggurat.images.image import Image, Level
from napari_ziggurat.images.marks import OURS
from napari_ziggurat.images.zarr_output import write_attributes

__all__ = ["AnnotationStore"]


class AnnotationStore:
    """An annotation on the disk: a sparse label image at one level of an image.

    Use `create` or `open`. Boxes have one range per axis of `axes`: time first where the image has
    several time points, then ((z), y, x) in voxels of the level. A context manager that lets others
    write again.

    Attributes
    ----------
    path : Path
        The OME-Zarr.
    drawn_on : DrawnOn
        The image and the level.
    """

    def __init__(self, path: Path, who: str | None = None) -> None:
        self.path = path
        self.drawn_on = DrawnOn.read(annotation_attributes(path), path)
        self._chunks = Chunks(open_array(path))
        self._ledger = Ledger(path, self._chunks, who or user_name())

    @classmethod
    def create(
        cls,
        image: Image,
        level: int = 0,
        place: Path | str | None = None,
        *,
        classes: Sequence[LabelClass] = (),
        who: str | None = None,
    ) -> Self:
        """Make an empty annotation of an image and open it for writing.

        Parameters
        ----------
        image : Image
            What is annotated; a sample of its voxels is read, to know it again.
        level : int
            Level that is drawn on, 0 is the finest.
        place : path, optional
            Folder of the OME-Zarr; ``IMAGE.annotation.ome.zarr`` beside the image unless given. It
            may be ``IMAGE.ome.zarr/labels/NAME``.
        classes : sequence of LabelClass
            Names and colours; see `set_classes`.
        who : str, optional
            Who paints; the user's name unless given.

        Raises
        ------
        ExistsError
            There is something at the place.
        InputError
            The level does not exist, or the place cannot be written.
        """
        image.check_level(level)
        path = default_place(image) if place is None else Path(place)
        make_files(path, DrawnOn.of(image, level, now()), classes)
        return cls.open(path, write=True, who=who)

    @classmethod
    def open(
        cls,
        place: Path | str,
        *,
        image: Image | None = None,
        write: bool = False,
        who: str | None = None,
    ) -> Self:
        """Open an annotation; a stroke that a crash interrupted is finished.

        Parameters
        ----------
        place : path
            Folder of the OME-Zarr.
        image : Image, optional
            What it belongs to; see `check`.
        write : bool
            Whether it is written to; one process at a time may. Any number may read.
        who : str, optional
            Who paints; the user's name unless given.

        Raises
        ------
        MissingError
            There is no annotation at the place.
        ExistsError
            Another process writes it; the message says which one.
        InputError
            The image is not the one that was drawn on, or the folder may not be written.
        """
        store = cls(Path(place), who)
        if image is not None:
            store.check(image)
        store._ledger.start_writing() if write else store._ledger.finish_for_readers()
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others write; reading goes on to work."""
        self._ledger.stop_writing()

    @property
    def axes(self) -> Axes:
        """Axes of the annotation, such as ``"zyx"`` or ``"tyx"``."""
        return self.drawn_on.array_axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the annotation, one length per axis."""
        return self._chunks.shape

    @property
    def grid(self) -> Level:
        """Shape, spacing and translation of the level that is drawn on, ((Z), Y, X)."""
        return self.drawn_on.grid

    @property
    def writable(self) -> bool:
        """Tell whether this store was opened for writing."""
        return self._ledger.writable

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Names and colours of the classes, as they are on the disk now."""
        return read_classes(self.path)

    def set_classes(self, classes: Sequence[LabelClass]) -> None:
        """Replace names and colours of the classes; no voxel changes.

        Raises
        ------
        InputError
            A value is not 1 to 254 or occurs twice, as does a name; a colour is no ``#rrggbb``.
        """
        with self._ledger.guard:
            self._ledger.check_writable()
            write_classes(self.path, classes)

    def check(self, image: Image) -> None:
        """Refuse an image that is not the one that was drawn on.

        Raises
        ------
        InputError
            The message names what differs: the level, shape, spacing, type or voxels.
        """
        if differs := self.drawn_on.differences(image):
            raise InputError(
                f"'{image.source or image.name}' is not as it was when '{self.path}' was drawn: "
                f"{'; '.join(differs)}. Bring the image back as it was; if the strokes fit it as "
                "it is, say so with 'ziggurat annotation adopt'."
            )

    def adopt(self, image: Image) -> list[str]:
        """Take down that the annotation belongs to an image as it is now; say what differed.

        Raises
        ------
        InputError
            Level, axes or shape are others: the strokes cannot fit.
        """
        with self._ledger.guard:
            self._ledger.check_writable()
            old = self.drawn_on
            image.check_level(old.level)
            new = DrawnOn.of(image, old.level, old.created)
            if (new.axes, new.array_shape) != (old.axes, old.array_shape):
                self.check(image)
            differs = old.differences(image)
            write_attributes(self.path, {OURS: new.model_dump(mode="json")})
            self.drawn_on = new
            return differs

    def read(self, box: Box) -> Voxels:
        """Read a box: 0 unlabelled, 1 to 254 a class, 255 background.

        Parameters
        ----------
        box : Box
            One range per axis of the annotation.

        Returns
        -------
        ndarray of uint8
            Of the shape of the box.

        Raises
        ------
        InputError
            The box is not inside the annotation, or a file is damaged.
        """
        self._check_box(box)
        self._ledger.check_present()
        found = np.zeros(box.shape, np.uint8)
        for index in self._chunks.within(box):
            voxels = self._ledger.read(index)
            if voxels is not None:
                (here, there) = _overlap(self._chunks.box(index), box)
                found[there] = voxels[here]
        return found

    def write(
        self,
        box: Box,
        values: Any,
        where: Any = None,
        *,
        kind: Kind = "stroke",
        note: str = "",
    ) -> Record:
        """Paint a stroke; it is on the disk when this returns, and wholly there or not at all.

        Parameters
        ----------
        box : Box
            One range per axis of the annotation.
        values : int or array
            0 erases, 1 to 254 a class, 255 background; of the shape of the box or one for all.
        where : array of bool, optional
            Which voxels of the box are painted; all unless given.
        kind : {"stroke", "complete", "correction", "import"}
            How the voxels were confirmed.
        note : str
            Kept in the history.

        Returns
        -------
        Record
            What changed. A voxel that had another label has the new one; it is counted.

        Raises
        ------
        InputError
            The box is not inside the annotation, a value is none, or this store was opened for
            reading.
        WorkFailed
            The disk is full, or the system refuses: nothing has changed.
        """
        self._check_box(box)
        new = np.broadcast_to(check_values(values), box.shape)
        mask = None if where is None else np.broadcast_to(np.asarray(where, bool), box.shape)

        def paint(index: Index, old: Voxels) -> Voxels:
            (here, there) = _overlap(self._chunks.box(index), box)
            result = old.copy()
            result[here] = (
                new[there] if mask is None else np.where(mask[there], new[there], old[here])
            )
            return result

        return self.edit(self._chunks.within(box), paint, box, kind=kind, note=note)

    def complete(self, box: Box, *, note: str = "") -> Record:
        """Say that a box is complete: whatever is unlabelled in it is background.

        Parameters and errors are those of `write`.
        """
        self._check_box(box)

        def fill(index: Index, old: Voxels) -> Voxels:
            result = old.copy()
            part = result[_overlap(self._chunks.box(index), box)[0]]
            part[part == UNLABELLED] = EXPLICIT_BACKGROUND
            return result

        return self.edit(self._chunks.within(box), fill, box, kind="complete", note=note)

    def edit(
        self,
        indices: Iterable[Index],
        change: Change,
        box: Box,
        *,
        kind: Kind = "stroke",
        note: str = "",
    ) -> Record:
        """Change chunks in one stroke: all of them or none, however the process ends.

        Parameters
        ----------
        indices : iterable of tuple of int
            Chunks, each once.
        change : callable
            From the place of a chunk and its voxels to what they shall be.
        box : Box
            Where the stroke lies, for one that changes nothing or that completes a box.
        kind, note
            As for `write`.
        """
        return self._ledger.edit(indices, change, (kind, box, note))

    def touched(self) -> Iterator[Box]:
        """Boxes of the chunks that exist, one after the other, from the names in the folder."""
        return map(self._chunks.box, self._chunks.stored())

    def counts(self) -> dict[int, int]:
        """Count the voxels of each value but 0; every chunk that exists is read."""
        found: Counter[int] = Counter()
        for index in self._chunks.stored():
            voxels = self._ledger.read(index)
            if voxels is not None:
                here = np.bincount(voxels.ravel(), minlength=256)
                found.update({int(v): int(here[v]) for v in np.flatnonzero(here) if v})
        return dict(sorted(found.items()))

    def history(self) -> Iterator[Record]:
        """Every stroke, oldest first: who, when, of which kind, and the box it lies in."""
        return iter(self._ledger.history)

    def unreadable_history(self) -> int:
        """Count the lines of the history that are damaged; the voxels are not touched by that."""
        return self._ledger.history.unreadable()

    @property
    def chunks(self) -> Chunks:
        """The files, for those who change many voxels at once."""
        return self._chunks

    def _check_box(self, box: Box) -> None:
        if box.ndim != len(self.shape) or not Box.whole(self.shape).contains(box):
            raise InputError(
                f"Box {box} is not inside the annotation '{self.path}', which has shape "
                f"{self.shape} (axes {self.axes}, level {self.drawn_on.level} of "
                f"'{self.drawn_on.image}'); give start:stop per axis within it."
            )


def _overlap(chunk: Box, box: Box) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Voxels that a chunk and a box share: counted from the chunk, and from the box."""
    both = chunk.intersect(box)
    return both.relative_to(chunk.start).slices, both.relative_to(box.start).slices
