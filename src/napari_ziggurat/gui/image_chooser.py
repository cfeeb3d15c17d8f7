"""Image chooser: which layer is segmented, and what its axes are."""

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_ziggurat.gui.layers import METADATA, axes_choices, facts, likely_axes
from napari_ziggurat.gui.widgets import caption, column, note, row, shrinking_combo

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

__all__ = ["ImageChooser"]

_NO_LAYER = "Open an image: drop it on the window, or File > Open Sample > Ziggurat."
_LIST_EVENTS = ("inserted", "removed", "reordered", "renamed")
_WATCHED = ("data", "scale", "units", "axis_labels", "name")
_QUESTION = "Say which axis is which (t time, c channel, z y x space); the layer does not."
_TOO_MANY = "An image has 2 to 5 axes and this layer has {}; make a layer of a part of it."
_MEANINGS = {
    "zyx": "A volume: a stack of sections.",
    "tyx": "A series of planes in time; each is segmented on its own.",
    "cyx": "A plane with several channels.",
}


class ImageChooser(QWidget):
    """A box with the image layers, one with the axes, and a line of facts."""

    changed = Signal()

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = viewer
        self._watched: Any = None
        self._said: WeakKeyDictionary[ImageLayer, str] = WeakKeyDictionary()
        self.layers = shrinking_combo("image", "The image layer to segment.")
        self.axes_box = shrinking_combo(
            "axes",
            "Which axis is which: t time, c channel, z y x space.\n"
            "Taken from the layer's axis labels where it has them.",
            least=5,
        )
        self._answers = row()
        self._facts = note("image-facts")
        self._facts.setTextFormat(Qt.TextFormat.PlainText)
        top = row(self.layers, self.axes_box)
        top.setStretch(0, 1)
        self.setLayout(column(caption("Image"), top, self._facts, self._answers))
        for event in _LIST_EVENTS:
            getattr(viewer.layers.events, event).connect(self.refresh)
        self.layers.currentIndexChanged.connect(self._choose_layer)
        self.axes_box.currentIndexChanged.connect(self._keep_axes)
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

    @property
    def answers(self) -> list[QPushButton]:
        """The buttons that say the axes; none where they are known."""
        found = [self._answers.itemAt(i) for i in range(self._answers.count())]
        return [b for item in found if item and isinstance(b := item.widget(), QPushButton)]

    def choose(self, layer: "ImageLayer") -> None:
        """Choose a layer of the list."""
        found = [self.layers.itemData(i) is layer for i in range(self.layers.count())]
        if any(found):
            self.layers.setCurrentIndex(found.index(True))

    def say(self, sentence: str) -> None:
        """Write something below the facts, such as why the image cannot be used."""
        self._facts.setText("\n".join(filter(None, [self._facts_text(), sentence])))

    def forget(self) -> None:
        """Listen to napari no longer; it may outlive this widget."""
        for event in _LIST_EVENTS:
            getattr(self._viewer.layers.events, event).disconnect(self.refresh)
        self._watch(None)

    def refresh(self, event: Any = None) -> None:
        """List the image layers again; the choice stays where it can."""
        from napari.layers import Image as ImageLayer

        chosen = self.layer
        images = [layer for layer in self._viewer.layers if isinstance(layer, ImageLayer)]
        found = [each for each in images if "preview" not in each.metadata.get(METADATA, {})]
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

    def _keep_axes(self) -> None:
        """Remember what somebody says of this layer."""
        if self.layer is not None:
            self._said[self.layer] = self.axes
        self._choose_axes()

    def _choose_axes(self) -> None:
        self._show_answers()
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
        else:
            self._list_axes()
        self._choose_axes()

    def _list_axes(self) -> None:
        layer = self.layer
        choices = axes_choices(layer) if layer is not None else ()
        chosen = self._said.get(layer, "") if layer is not None else ""
        if layer is not None and chosen not in choices:
            chosen = likely_axes(layer)
        self.axes_box.blockSignals(True)
        self.axes_box.clear()
        for names in (*([] if chosen else ["axes?"]), *choices):
            self.axes_box.addItem(names, names if names in choices else "")
        self.axes_box.setCurrentText(chosen or "axes?")
        self.axes_box.setEnabled(len(choices) > 1)
        self.axes_box.blockSignals(False)

    def _show_answers(self) -> None:
        """Offer what the axes may be, one click each, while nobody has said them."""
        for button in self.answers:
            self._answers.removeWidget(button)
            button.hide()  # it may be the one that was clicked, which goes a little later
            button.deleteLater()
        layer = self.layer
        for names in axes_choices(layer) if layer is not None and not self.axes else ():
            button = QPushButton(names)
            button.setToolTip(_MEANINGS.get(names, ""))
            button.clicked.connect(partial(self._say_axes, names))
            self._answers.addWidget(button)

    def _say_axes(self, names: str, checked: bool = False) -> None:
        self.axes_box.setCurrentText(names)

    def _facts_text(self) -> str:
        if self.layer is None:
            return _NO_LAYER
        if self.axes:
            return facts(self.layer, self.axes)
        known = axes_choices(self.layer)
        missing = _QUESTION if known else _TOO_MANY.format(self.layer.ndim)
        return f"{facts(self.layer, '')}\n{missing}"
