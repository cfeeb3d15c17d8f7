"""Annotate tab: paint classes on the chosen image; every stroke is saved."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.gui.annotate.class_box import ClassBox
from napari_ziggurat.gui.annotate.complete_box import CompleteBox
from napari_ziggurat.gui.annotate.guard import Guard
from napari_ziggurat.gui.annotate.keys import Keys
from napari_ziggurat.gui.annotate.opening import (
    Opened,
    Request,
    annotated,
    first_classes,
    open_annotation,
)
from napari_ziggurat.gui.annotate.sessions import Sessions
from napari_ziggurat.gui.annotate.spot_box import SpotBox
from napari_ziggurat.gui.annotate.spots import SpotRequest
from napari_ziggurat.gui.annotate.store_box import StoreBox
from napari_ziggurat.gui.job import Failure, Job, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.train.train_box import TrainBox
from napari_ziggurat.gui.view import units_per_unit, visible_box
from napari_ziggurat.gui.widgets import column, note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_ziggurat.gui.annotate.session import Session
    from napari_ziggurat.gui.annotate.spot_box import Asked
    from napari_ziggurat.gui.model_chooser import ModelChooser
    from napari_ziggurat.gui.source import Reading
    from napari_ziggurat.images.annotation_store import Record

__all__ = ["AnnotateTab"]

_CLASS_KEYS = 10  # Alt+0 is background


class AnnotateTab(QWidget):
    """What "Annotate & Train" holds.

    Parameters
    ----------
    viewer : Viewer
    jobs : Jobs
        Owns the thread that opens an annotation.
    model : ModelChooser
        Says which model looks for spots, and what the classes of a new annotation are.
    """

    known = Signal()  # the image that is chosen can be annotated
    opened = Signal(object)  # Session whose brush was taken, or None where it was refused

    def __init__(self, viewer: "Viewer", jobs: Jobs, model: "ModelChooser") -> None:
        super().__init__()
        self._viewer, self._jobs, self._model = viewer, jobs, model
        self._image: ImageLayer | None = None
        self._reading: Reading | None = None
        self._opening: Job | None = None
        self._guard: Guard | None = None
        self.session: Session | None = None  # on the chosen image
        self.sessions = Sessions(viewer)
        self.store = StoreBox()
        self.obstacle = note("annotation-obstacle")
        self.classes = ClassBox()
        self.complete = CompleteBox()
        self.train = TrainBox(viewer, jobs, model)
        self.spots = SpotBox(viewer, jobs, self._spots_asked)
        self._painting = QWidget()
        self._painting.setLayout(column(self.obstacle, self.classes, self.complete))
        self._lay_out()
        self.store.wanted.connect(self.annotate)
        self.store.here_wanted.connect(self._annotate_here)
        self._keys = Keys(viewer, self._actions())
        jobs.at_close(self.close_all)
        self._show(None)

    def show_image(self, image: "ImageLayer | None", reading: "Reading | None") -> None:
        """Follow the choice of the image; what is painted on others goes on being saved."""
        (self._image, self._reading) = (image, reading)
        self.store.show_reading(reading)
        self._show(self.sessions.of(image))
        if self.ready:
            self.known.emit()

    @property
    def ready(self) -> bool:
        """Whether it is known which image is annotated."""
        return self._image is not None and self._reading is not None

    def annotate_at(self, position: "Sequence[float]") -> None:
        """Open the annotation of the chosen image, where a place in the world can be painted on.

        The place must be in the middle of what is shown.
        """
        session = self.session
        if session is not None and not _holds(session, position):
            self._annotate_here()
        else:
            self.annotate()

    def annotate(self) -> None:
        """Make or open the annotation in the line, in a thread: the image is looked at again."""
        if self._opening is not None:
            return
        try:
            request = self._request()
        except (ZigguratError, OSError) as error:
            self.store.say(f"⚠ {error}")
            self.opened.emit(None)
            return
        if (open_one := self.sessions.at(request.place)) is not None and self._image is not None:
            self.sessions.assign(self._image, open_one)
            self._show(open_one)
            self._begin(open_one)
            return
        self.store.say("Looking at the image…")
        self.store.button.setEnabled(False)
        self._opening = ThreadJob(partial(open_annotation, request))
        done = partial(self._opened, self._image, self._reading)
        self._jobs.start(self._opening, Handlers(done, self._refused, ended=self._opening_ended))

    def put_away(self) -> None:
        """Take the layers away before the dock goes: nobody would save what is painted on them."""
        self._watch(None)
        self.sessions.end_all()

    def close_all(self) -> None:
        """Save everything and let others write; widgets may be gone already."""
        self._watch(None)
        self._keys.forget()
        self.sessions.close()

    def _lay_out(self) -> None:
        parts = (self.store, self._painting, self.train, self.spots)
        layout = column(*parts)
        layout.setContentsMargins(6, 8, 6, 8)
        layout.setSpacing(10)
        for part in parts:
            part.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        layout.addStretch()
        self.setLayout(layout)

    def _actions(self) -> "dict[str, Callable[[], None]]":
        rows = range(_CLASS_KEYS)
        found = {f"Alt-{number}": partial(self.classes.choose_row, number) for number in rows}
        return {**found, "Shift-T": self.train.toggle, "Shift-N": self.spots.go}

    def _spots_asked(self) -> "Asked":
        (image, reading, model) = (self._image, self._reading, self._model)
        if image is None or reading is None or model.path is None or model.spec is None:
            raise InputError("Choose an image and a model first.")
        of = reading.for_channels(len(model.spec.channels))
        drawn = None if self.session is None else self.session.store.path
        return image, reading, SpotRequest(of.image, model.path, drawn)

    def _request(self) -> Request:
        (image, reading, place) = (self._image, self._reading, self.store.path)
        if image is None or reading is None:
            raise InputError("Choose an image first.")
        if place is None:
            raise InputError("Say where the annotation goes, such as strokes.ome.zarr.")
        spec = self._model.spec
        classes = first_classes(() if spec is None else spec.classes)
        return Request(
            annotated(reading).image, place, self.store.level, classes, self._centre(image, reading)
        )

    def _centre(self, image: "ImageLayer", reading: "Reading") -> dict[str, float]:
        """Voxel of level 0 in the middle of what is shown; of the image where nothing of it is."""
        axes = reading.source.axes
        box = visible_box(self._viewer, image)
        if box is None:
            return {a: n / 2 for a, n in reading.source.lengths.items()}
        middle = ((a + b) / 2 for a, b in zip(box.start, box.stop, strict=True))
        return dict(zip(axes, middle, strict=True))

    def _annotate_here(self) -> None:
        """Move the part that is painted on to what is shown."""
        if self.session is not None and self.session.store.drawn_on.level == 0:
            self.sessions.end(self.session)
            self._show(None)
        self.annotate()

    def _opened(
        self, image: "ImageLayer | None", reading: "Reading | None", opened: Opened
    ) -> None:
        """Show what was opened, unless its image is gone meanwhile."""
        if image is None or reading is None or image not in self._viewer.layers:
            opened.store.close()
            self.store.say("The image was removed meanwhile.")
            return
        try:
            session = self.sessions.show(image, reading, opened)
        except BaseException:
            opened.store.close()
            raise
        session.saved.connect(self._saved)
        session.failed.connect(self._failed)
        session.changed.connect(self.classes.refresh)
        session.chosen.connect(self.classes.mark)
        session.ended.connect(self._ended)
        if image is self._image:
            self._show(session)
        self._begin(session)

    def _begin(self, session: "Session") -> None:
        """Take the brush: a class that can be painted is chosen at once."""
        classes = session.classes
        session.choose(classes[1].value if len(classes) > 1 else classes[0].value)
        self.opened.emit(session)

    def _refused(self, failure: Failure) -> None:
        self.store.say(f"⚠ {failure.sentence}")
        self.opened.emit(None)

    def _opening_ended(self) -> None:
        self._opening = None
        self.store.button.setEnabled(self._reading is not None)

    def _show(self, session: "Session | None") -> None:
        """Show the annotation of the chosen image."""
        self._watch(session)
        self.session = session
        self.store.show_session(session)
        self.classes.show_session(session)
        self.complete.show_session(session)
        self.train.show_session(session, self._image, self._reading)
        self.train.setVisible(session is not None)
        self._painting.setVisible(session is not None)

    def _watch(self, session: "Session | None") -> None:
        """Say why nothing can be painted, of one session at a time."""
        if self._guard is not None:
            self._guard.forget()
        self._guard = None if session is None else Guard(session)
        self._hint("")
        if self._guard is not None:
            self._guard.changed.connect(self._hint)
            self._guard.look()

    def _hint(self, why: str) -> None:
        self.obstacle.setText(f"⚠ {why}" if why else "")
        self.obstacle.setVisible(bool(why))

    def _saved(self, record: "Record") -> None:
        if self.sender() is self.session:
            self.store.show_saved(record)

    def _failed(self, sentence: str) -> None:
        self.store.say(f"⚠ {sentence}")

    def _ended(self) -> None:
        """Show that the layer was removed; everything of it is on the disk."""
        if self.session is not None and self.session.closed:
            self._show(None)


def _holds(session: "Session", position: "Sequence[float]") -> bool:
    """Tell whether a place in the world lies in the part that is painted on."""
    layer = session.layer
    world = np.array(position)[-layer.ndim :] * units_per_unit(session.viewer, layer)
    voxel = np.round(np.array(layer.world_to_data(world)))
    return bool(((voxel >= 0) & (voxel < np.array(layer.data.shape))).all())
