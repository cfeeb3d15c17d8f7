"""Link: a chosen row is shown in the image, and a clicked object chooses its row."""

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal

from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.objects.layers import labels_axes, object_grid
from napari_ziggurat.gui.objects.rows import NUMBER, Rows
from napari_ziggurat.gui.objects.table_box import TableBox
from napari_ziggurat.gui.outline import outline
from napari_ziggurat.gui.pointer import clicked, value_at
from napari_ziggurat.gui.view import layer_shape, show_box

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

__all__ = ["ObjectLink"]

_NAME = "chosen object"
_COLOR = "#ffffff"
_LEAST = 48  # voxels that are shown around a small object


class ObjectLink(QObject):
    """Follows the layer of objects that was active last.

    Parameters
    ----------
    viewer : Viewer
    table : TableBox
    """

    followed = Signal(object)  # the layer, or None

    def __init__(self, viewer: "Viewer", table: TableBox) -> None:
        super().__init__()
        self._viewer, self._table = viewer, table
        self._layer: Labels | None = None
        self._rows: WeakKeyDictionary[Labels, Rows] = WeakKeyDictionary()
        table.chosen.connect(self._take_there)
        viewer.layers.selection.events.active.connect(self._look)
        viewer.layers.events.removed.connect(self._removed)
        self._look()

    @property
    def layer(self) -> "Labels | None":
        """The layer whose table is shown."""
        return self._layer

    def forget(self) -> None:
        """Listen to napari no longer; it may outlive this."""
        self._viewer.layers.selection.events.active.disconnect(self._look)
        self._viewer.layers.events.removed.disconnect(self._removed)
        for layer in list(self._rows):
            if self._clicked in layer.mouse_drag_callbacks:
                layer.mouse_drag_callbacks.remove(self._clicked)

    def _look(self, event: Any = None) -> None:
        """Follow the active layer where it holds objects; else the one before stays."""
        layer = self._viewer.layers.selection.active
        if layer is not self._layer and object_grid(layer) is not None:
            self._follow(layer)

    def _removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._follow(None)

    def _follow(self, layer: "Labels | None") -> None:
        self._layer = layer
        if layer is not None and layer not in self._rows and NUMBER in layer.features:
            features = layer.features
            self._rows[layer] = Rows({str(n): features[n].to_numpy() for n in features})
            layer.mouse_drag_callbacks.append(self._clicked)
        self._table.show_rows(None if layer is None else self._rows.get(layer))
        self.followed.emit(layer)

    def _take_there(self, number: int) -> None:
        """Move the view to an object and outline it."""
        box = self._box(number)
        if self._layer is None or box is None:
            return
        self._viewer.dims.ndisplay = 2
        show_box(self._viewer, self._layer, _at_least(box, self._displayed()))
        self._mark(number, box)

    def _mark(self, number: int, box: Box) -> None:
        if self._layer is not None:
            self._layer.selected_label = number
            outline(self._viewer, self._layer, box, name=_NAME, color=_COLOR)

    def _box(self, number: int) -> Box | None:
        (layer, rows) = (self._layer, self._table.model.rows)
        (grid, row) = (object_grid(layer), rows.find(number))
        if layer is None or grid is None or row is None:
            return None
        told = {name: column[row] for name, column in rows.columns.items()}
        return grid.box(told, labels_axes(layer), layer_shape(layer))

    def _displayed(self) -> list[int]:
        missing = self._viewer.dims.ndim - (0 if self._layer is None else self._layer.ndim)
        return [axis - missing for axis in self._viewer.dims.displayed]

    def _clicked(self, layer: Any, event: Any) -> Generator[None, None, None]:
        """Wait from press to release; a click chooses, a drag moves the image."""
        if event.button != 1 or "Alt" in event.modifiers:  # with Alt it is corrected
            return
        yield from clicked(event, partial(self._choose, layer, value_at(layer, event)))

    def _choose(self, layer: Any, number: int) -> None:
        if not number:
            return
        if layer is not self._layer:
            self._follow(layer)
        self._table.mark(number)
        box = self._box(number)
        if box is not None and self._viewer.dims.ndisplay == 2:
            self._mark(number, box)


def _at_least(box: Box, axes: list[int]) -> Box:
    """Grow a box along the displayed axes, so that a small object is seen among its neighbours."""
    (start, stop) = (list(box.start), list(box.stop))
    for axis in axes:
        spare = max(0, _LEAST - box.shape[axis])
        start[axis] -= spare // 2
        stop[axis] += spare - spare // 2
    return Box(tuple(start), tuple(stop))
