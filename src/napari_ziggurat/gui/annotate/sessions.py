"""Sessions: the annotations that are open in one dock, each on the image that it was drawn on."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari_ziggurat.gui.annotate.paintable import Paintable
from napari_ziggurat.gui.annotate.session import Session
from napari_ziggurat.gui.layers import METADATA, Placement
from napari_ziggurat.gui.placing import level_place

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels

    from napari_ziggurat.gui.annotate.opening import Opened
    from napari_ziggurat.gui.source import Reading

__all__ = ["Sessions"]

_OPACITY = 0.6
_BRUSH = 10  # pixels


class Sessions:
    """Strokes on each image go on being saved whichever image is chosen in the dock."""

    def __init__(self, viewer: "Viewer") -> None:
        self._viewer = viewer
        self._open: list[Session] = []
        self._of: WeakKeyDictionary[ImageLayer, Session] = WeakKeyDictionary()

    def of(self, image: "ImageLayer | None") -> Session | None:
        """Give the annotation that is painted on an image; None where there is none."""
        session = None if image is None else self._of.get(image)
        return session if session is not None and not session.closed else None

    def at(self, place: "Path") -> Session | None:
        """Give the annotation of a folder, where this dock has opened it already."""
        found = (s for s in self._open if not s.closed and _same(s.store.path, place))
        return next(found, None)

    def assign(self, image: "ImageLayer", session: Session) -> None:
        """Take down that an open annotation belongs to an image layer."""
        self._of[image] = session

    def show(self, image: "ImageLayer", reading: "Reading", opened: "Opened") -> Session:
        """Lay an annotation on its image, in the place of another one of this image."""
        from napari_ziggurat.images.annotation_store import SparseLabels

        if (older := self.of(image)) is not None:
            self.end(older)
        source = reading.source
        data = Paintable(
            SparseLabels(opened.store, each=False), source.axes, source.lengths, opened.box
        )
        session = Session(self._viewer, self._add(image, reading, opened, data), data, opened)
        self._open.append(session)
        self._of[image] = session
        return session

    def end(self, session: Session) -> None:
        """Close an annotation and take its layer away; everything of it is on the disk."""
        session.close()
        if session.layer in self._viewer.layers:
            self._viewer.layers.remove(session.layer)

    def end_all(self) -> None:
        """End those that are open."""
        for session in list(self._open):
            if not session.closed:
                self.end(session)

    def close(self) -> None:
        """Close all of them; the layers may be gone."""
        for session in self._open:
            session.close()
        self._open.clear()

    def _add(
        self, image: "ImageLayer", reading: "Reading", opened: "Opened", data: Paintable
    ) -> "Labels":
        axes = reading.source.axes
        first = dict(zip(opened.store.axes.names, opened.box.start, strict=True))
        start = [first.get(letter, 0) for letter in axes]
        level = opened.store.drawn_on.level
        whole = reading.all_channels or reading
        place = level_place(whole.image, axes, Placement.of(image), level, start)
        layer = self._viewer.add_labels(
            data,
            name=f"{reading.source.name}, annotation",
            metadata={METADATA: {"annotation": str(opened.store.path)}},
            opacity=_OPACITY,
            multiscale=False,
            **place,
        )
        layer.brush_size = _BRUSH
        return layer


def _same(one: "Path", other: "Path") -> bool:
    return one.resolve() == other.resolve()
