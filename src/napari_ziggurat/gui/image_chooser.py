"""Image chooser: which layer is segmented, and what its axes are."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_ziggurat.gui.layers import axes_choices, facts
from napari_ziggurat.gui.widgets import caption, column, note, row, shrinking_combo

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

__all__ = ["ImageChooser"]

_NO_LAYER = "Open an image: drop it on the window, or File > Open Sample > Ziggurat."
_LIST_EVENTS = ("inserted", "removed", "reordered", "renamed")
_WATCHED = ("data", "scale", "units", "axis_labels", "name")
_UNSURE = 4  # axes from which there is no likeliest meaning


class ImageChooser(QWidget):
    """A box with the image layers, one with the axes, and a line of facts."""

    changed = Signal()

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = viewer
        self._watched: Any = None
        self.layers = shrinking_combo("image", "The image layer to segment.")
        self.axes_box = shrinking_combo(
            "axes",
            "Which axis is which: t time, c channel, z y x space.\n"
            "Taken from the layer's axis labels where it has them.",
            least=5,
        )
        self._facts = note("image-facts")
        self._facts.setTextFormat(Qt.TextFormat.PlainText)
        top = row(self.layers, self.axes_box)
        top.setStretch(0, 1)
        self.setLayout(column(caption("Image"), top, self._facts))
        for event in _LIST_EVENTS:
            getattr(viewer.layers.events, event).connect(self.refresh)
        self.layers.currentIndexChanged.connect(self._choose_layer)
        self.axes_box.currentIndexChanged.connect(self._choose_axes)
        self.refresh()

    @property
    def layer(self) -> "ImageLayer | None":
        """The chosen layer."""
        layer: ImageLayer | None = self.layers.currentData()
        return layer

    @property
    def axes(self) -> str:
        """Axes of the chosen layer; empty while nobody has said them."""
        return str(self.axes_box.currentData() or "")

    def say(self, sentence: str) -> None:
        """Write something below the facts, such as why the image cannot be used."""
        self._facts.setText("\n".join(filter(None, [self._facts_text(), f"⚠ {sentence}"])))

    def forget(self) -> None:
        """Listen to napari no longer; it may outlive this widget."""
        for event in _LIST_EVENTS:
            getattr(self._viewer.layers.events, event).disconnect(self.refresh)
        self._watch(None)

    def refresh(self, event: Any = None) -> None:
        """List the image layers again; the choice stays where it can."""
        from napari.layers import Image as ImageLayer

        chosen = self.layer
        found = [layer for layer in self._viewer.layers if isinstance(layer, ImageLayer)]
        self.layers.blockSignals(True)
        self.layers.clear()
        for layer in found:
            self.layers.addItem(layer.name, layer)
        self.layers.setCurrentIndex(found.index(chosen) if chosen in found else len(found) - 1)
        self.layers.setEnabled(bool(found))
        self.layers.blockSignals(False)
        if self.layer is not chosen or chosen is None:
            self._choose_layer()

    def _choose_layer(self) -> None:
        self._watch(self.layer)
        self._list_axes()
        self._choose_axes()

    def _choose_axes(self) -> None:
        self._facts.setText(self._facts_text())
        self.changed.emit()

    def _watch(self, layer: "ImageLayer | None") -> None:
        """Follow changes of the chosen layer, and no longer those of the one before."""
        for event in _WATCHED:
            if self._watched is not None:
                getattr(self._watched.events, event).disconnect(self._layer_changed)
            if layer is not None:
                getattr(layer.events, event).connect(self._layer_changed)
        self._watched = layer

    def _layer_changed(self, event: Any = None) -> None:
        if event is not None and event.type == "name":
            self.refresh()
        elif event is not None and event.type == "axis_labels":
            self._list_axes()
        self._choose_axes()

    def _list_axes(self) -> None:
        choices = axes_choices(self.layer) if self.layer is not None else ()
        self.axes_box.blockSignals(True)
        self.axes_box.clear()
        if len(choices) > 1 and len(choices[0]) >= _UNSURE:
            self.axes_box.addItem("axes?", "")
        for names in choices:
            self.axes_box.addItem(names, names)
        self.axes_box.setEnabled(len(choices) > 1)
        self.axes_box.blockSignals(False)

    def _facts_text(self) -> str:
        if self.layer is None:
            return _NO_LAYER
        if not self.axes:
            return f"{facts(self.layer, '')}\nSay which axis is which, in the box above."
        return facts(self.layer, self.axes)
