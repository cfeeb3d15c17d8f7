"""Session: one annotation that is painted on in napari, saved at each stroke."""

import itertools
import logging
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, LabelClass
from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.annotate.classes import BACKGROUND, shown
from napari_ziggurat.gui.annotate.paintable import Paintable
from napari_ziggurat.gui.layers import class_colormap, class_features

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari import Viewer
    from napari.layers import Labels

    from napari_ziggurat.gui.annotate.opening import Opened
    from napari_ziggurat.images.annotation_store import Record

__all__ = ["Session"]

logger = logging.getLogger(__name__)

_AGAIN = 1000  # ms between looks for what is not on the disk yet
_REPLACED = (
    "The voxels of the annotation layer were replaced, so what is painted on it now is not saved. "
    "Remove the layer and press Annotate: everything that was saved is there."
)


class Session(QObject):
    """A labels layer on an annotation store: what is painted is on the disk when it is released.

    napari says `paint` after a stroke and nothing but `set_data` after undo and redo, so both are
    listened to, and a timer tries again what could not be saved.

    Parameters
    ----------
    viewer : Viewer
    layer : Labels
        Shows ``data``.
    data : Paintable
    opened : Opened
        The store, opened for writing, and its counts.
    """

    saved = Signal(object)  # Record: something is on the disk
    failed = Signal(str)  # a sentence: it is not
    chosen = Signal()  # another class, or the eraser, was chosen
    changed = Signal()  # classes or counts are others
    ended = Signal()

    def __init__(
        self, viewer: "Viewer", layer: "Labels", data: Paintable, opened: "Opened"
    ) -> None:
        super().__init__()
        self.viewer, self.layer, self.data = viewer, layer, data
        self.store, self.census = opened.store, opened.census
        self.labels = data.part.labels
        self.closed = False
        self._held = False  # the mouse button is down: a stroke is one record
        self._filling = False
        self._version = 0  # of the labels when the timer looked last
        self._named = self.store.classes
        self._timer = QTimer(self)
        self._timer.setInterval(_AGAIN)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        self._listen()
        self._show_classes()

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Background and the classes, as they can be painted."""
        return shown(self._named, self.census.counts)

    @property
    def value(self) -> int:
        """What a stroke would paint now; 0 with the eraser."""
        erasing = str(self.layer.mode) == "erase"
        return 0 if erasing else int(self.layer.selected_label)

    def choose(self, value: int) -> None:
        """Take the brush for a value, or the eraser for 0."""
        if self.closed:
            return
        if value:
            self.layer.selected_label = value
        self.viewer.layers.selection.active = self.layer
        self.layer.mode = "paint" if value else "erase"

    def undo(self) -> None:
        """Take back the last stroke, in the layer and on the disk."""
        self.layer.undo()
        self.save()

    def redo(self) -> None:
        """Paint again what was taken back."""
        self.layer.redo()
        self.save()

    def save(self) -> None:
        """Put what is painted on the disk; what cannot be is kept and tried again."""
        try:
            self._took(self.labels.flush())
        except (ZigguratError, OSError) as error:
            self._tell(error)

    def complete(self, box: Box) -> "Record | None":
        """Say that a box is complete: what is unlabelled in it is background. It can be undone.

        Parameters
        ----------
        box : Box
            Voxels of the layer; one thick on each axis that is not displayed, or thicker.

        Returns
        -------
        Record or None
            None where it could not be saved.
        """
        self.save()
        try:
            self._fill(box)
            where = self.data.to_annotation(box)
            record = self.labels.flush("complete", where) or self.store.complete(where)
            self._took(record)
        except (ZigguratError, OSError) as error:
            self._tell(error)
            return None
        return record

    def set_classes(self, classes: "Sequence[LabelClass]") -> None:
        """Replace names and colours.

        Raises
        ------
        InputError
            Two have one name, or a name is empty.
        """
        self.store.set_classes([c for c in classes if c.value != EXPLICIT_BACKGROUND])
        self._named = self.store.classes
        self._show_classes()
        self.changed.emit()

    def erase_class(self, value: int) -> None:
        """Make every voxel of a class unlabelled, in one stroke.

        Raises
        ------
        ZigguratError
            It could not be saved; nothing has changed.
        """
        self.save()
        whole = Box.whole(self.store.shape)
        record = self.store.edit(
            self.census.holding(value), lambda _, old: old * (old != value), whole
        )
        self._took(record)
        self.layer.refresh()

    def close(self) -> None:
        """Save, and let others write; nobody is told, for widgets may be gone already."""
        if self.closed:
            return
        self.closed = True
        self._timer.stop()
        self._forget()
        try:
            self.labels.flush()
        except (ZigguratError, OSError) as error:
            logger.error("The last stroke could not be saved: %s", error)
        self.store.close()

    def _listen(self) -> None:
        events = self.layer.events
        events.paint.connect(self._painted)
        events.set_data.connect(self._save_idle)
        events.data.connect(self._replaced)
        events.selected_label.connect(self._choice_changed)
        events.mode.connect(self._choice_changed)
        self.layer.mouse_drag_callbacks.append(self._hold)
        self.viewer.layers.events.removed.connect(self._removed)

    def _forget(self) -> None:
        events = self.layer.events
        events.paint.disconnect(self._painted)
        events.set_data.disconnect(self._save_idle)
        events.data.disconnect(self._replaced)
        events.selected_label.disconnect(self._choice_changed)
        events.mode.disconnect(self._choice_changed)
        if self._hold in self.layer.mouse_drag_callbacks:
            self.layer.mouse_drag_callbacks.remove(self._hold)
        self.viewer.layers.events.removed.disconnect(self._removed)

    def _hold(self, layer: Any, event: Any) -> "Generator[None, None, None]":
        """Wait from press to release; napari steps through it at each move of the mouse."""
        self._held = True
        yield
        while event.type == "mouse_move":
            yield
        self._held = False
        self.save()

    def _painted(self, event: Any = None) -> None:
        if not self._filling:
            self._held = False
            self.save()

    def _save_idle(self, event: Any = None) -> None:
        if not (self._held or self._filling) and self.labels.dirty:
            self.save()

    def _tick(self) -> None:
        """Save what failed before, and a stroke whose end napari told to another layer."""
        if self._version == self.labels.version and self.labels.dirty:
            self.save()
        self._version = self.labels.version

    def _choice_changed(self, event: Any = None) -> None:
        self.chosen.emit()

    def _replaced(self, event: Any = None) -> None:
        if self.layer.data is not self.data:
            self.failed.emit(_REPLACED)

    def _removed(self, event: Any) -> None:
        if event.value is self.layer:
            self.close()
            self.ended.emit()

    def _fill(self, box: Box) -> None:
        """Paint what is unlabelled in a box, through napari, so that it can be undone there."""
        layer = self.layer
        (before, dims) = (layer.preserve_labels, layer.n_edit_dimensions)
        (layer.preserve_labels, layer.n_edit_dimensions) = (True, 2)
        self._filling = True  # what is filled is one record, which says that it is complete
        try:
            with layer.block_history():
                for corners in _planes(box, self._displayed()):
                    layer.paint_polygon(corners, EXPLICIT_BACKGROUND)
        finally:
            self._filling = False
            (layer.preserve_labels, layer.n_edit_dimensions) = (before, dims)

    def _displayed(self) -> tuple[int, int]:
        missing = self.viewer.dims.ndim - self.layer.ndim
        (first, second) = (axis - missing for axis in self.viewer.dims.displayed[-2:])
        return first, second

    def _took(self, record: "Record | None") -> None:
        if record is not None:
            self.census.update(record.box)
            self.saved.emit(record)
            if set(record.painted) - {0} - {c.value for c in self._named} - {BACKGROUND.value}:
                self._show_classes()
            self.changed.emit()

    def _tell(self, error: Exception) -> None:
        self.failed.emit(f"{error} What you painted is kept here and saved as soon as it can be.")

    def _show_classes(self) -> None:
        classes = self.classes
        self.layer.colormap = class_colormap(classes)
        self.layer.features = class_features(classes)


def _planes(box: Box, displayed: tuple[int, int]) -> "Generator[list[list[int]], None, None]":
    """Give the corners of a box in each of its planes; both ends are painted."""
    (first, second) = displayed
    hidden = [axis for axis in range(box.ndim) if axis not in displayed]
    for place in itertools.product(*(range(box.start[a], box.stop[a]) for a in hidden)):
        point = [0] * box.ndim
        for axis, index in zip(hidden, place, strict=True):
            point[axis] = index
        corners = []
        for y, x in ((0, 0), (0, 1), (1, 1), (1, 0)):
            corner = list(point)
            corner[first] = (box.start[first], box.stop[first] - 1)[y]
            corner[second] = (box.start[second], box.stop[second] - 1)[x]
            corners.append(corner)
        yield corners
