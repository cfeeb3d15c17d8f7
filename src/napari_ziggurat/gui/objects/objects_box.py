"""Objects box: makes objects of a segmentation, with the command that does it, and lists them."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QPushButton, QWidget

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.gui.forms.fold import Fold
from napari_ziggurat.gui.forms.form import ConfigForm
from napari_ziggurat.gui.job import Failure, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.layers import METADATA
from napari_ziggurat.gui.objects.layers import (
    OBJECTS,
    labels_axes,
    labels_path,
    object_grid,
    show_loaded,
)
from napari_ziggurat.gui.objects.link import ObjectLink
from napari_ziggurat.gui.objects.loading import Loaded, load_objects
from napari_ziggurat.gui.objects.table_box import TableBox
from napari_ziggurat.gui.output_chooser import OutputChooser
from napari_ziggurat.gui.stores import outermost_store
from napari_ziggurat.gui.view import layer_shape
from napari_ziggurat.gui.widgets import column, note, shrinking_combo
from napari_ziggurat.runs.command import command_words
from napari_ziggurat.runs.config import ObjectsConfig

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_ziggurat.gui.runner import Runner
    from napari_ziggurat.gui.source import Reading
    from napari_ziggurat.images import Source

__all__ = ["ObjectsBox"]

_LIST_EVENTS = ("inserted", "removed", "reordered", "renamed")
_ELSEWHERE = ("labels", "out", "image", "overwrite", "axes", "spacing", "unit")
_NO_LABELS = "Segment the whole image first, or open a segmentation: objects are made of labels."
_LONG = "The table has more than a million rows and is not loaded: {}"
_AUTOMATIC = {"min_size": "1 voxel", "table": "beside the output", "block": "256 or 2048 voxels"}


class ObjectsBox(QWidget):
    """What ``ziggurat objects`` does, and the table of the objects that are looked at.

    Parameters
    ----------
    viewer : Viewer
    jobs : Jobs
        Owns the threads.
    runner : Runner
        Runs the command; one run at a time, segmentations included.
    """

    made = Signal(object)  # the layer

    def __init__(self, viewer: "Viewer", jobs: Jobs, runner: "Runner") -> None:
        super().__init__()
        self._viewer, self._jobs, self._runner = viewer, jobs, runner
        self._reading: Reading | None = None
        self._make_parts()
        self._lay_out()
        self.link = ObjectLink(viewer, self.table)
        self.link.followed.connect(self._followed)
        self.link.followed.connect(self._unfold)
        for event in _LIST_EVENTS:
            getattr(viewer.layers.events, event).connect(self.refresh)
        jobs.at_close(self._forget)
        self.refresh()
        self._unfold(self.link.layer)

    @property
    def layer(self) -> "Labels | None":
        """The labels that objects are made of."""
        layer: Labels | None = self.labels.currentData()
        return layer

    def show_reading(self, reading: "Reading | None") -> None:
        """Follow the choice of the image, whose grey values can be measured."""
        self._reading = reading
        self._show_command()

    def refresh(self, event: Any = None) -> None:
        """List the segmentations that other processes can read; the choice stays where it can."""
        chosen = self.layer
        found = [layer for layer in self._viewer.layers if _is_segmentation(layer)]
        self.labels.blockSignals(True)
        self.labels.clear()
        for layer in found:
            self.labels.addItem(layer.name, layer)
        self.labels.setCurrentIndex(found.index(chosen) if chosen in found else len(found) - 1)
        self.labels.blockSignals(False)
        self._making.setVisible(bool(found))
        self._followed(self.link.layer)
        self._chosen()

    def make(self) -> None:
        """Run the command."""
        try:
            (config, layer) = (self._config(), self.layer)
        except (ZigguratError, OSError) as error:
            self._runner.fail(Failure.of(error))
            return
        if layer is not None:
            self._runner.run_command(_words(config), partial(self._written, layer, config.out))
            self.output.replace.setChecked(False)  # after a Cancel the next click goes on

    def _make_parts(self) -> None:
        self.labels = shrinking_combo("labels", "The segmentation that objects are made of.")
        self.measure = QCheckBox("Measure grey values of the image")
        self.measure.setChecked(True)
        self.measure.setToolTip(
            "Adds the mean of each channel to the table (--image). For this the image must be a "
            "file that states its axes and spacing by itself."
        )
        fields = [f for f in ObjectsConfig.names() if f not in _ELSEWHERE]
        self.options = ConfigForm(ObjectsConfig, fields, "More options")
        self.options.show_automatic(_AUTOMATIC)
        self.output = OutputChooser("Output of the objects", "objects-output")
        self.button = QPushButton("Make objects")
        self.button.setToolTip("Give each object a number of its own, and measure it.")
        self.text = note("objects")
        self.table = TableBox()

    def _lay_out(self) -> None:
        self._making = QWidget()
        parts = (self.labels, self.measure, self.options, self.output, self.button)
        self._making.setLayout(column(*parts))
        inside = QWidget()
        inside.setLayout(column(self.text, self._making, self.table))
        tooltip = "Give each object a number of its own, measure it, look at it."
        self.fold = Fold("Objects", tooltip, inside)
        self.setLayout(column(self.fold))
        self.labels.currentIndexChanged.connect(self._chosen)
        self.measure.toggled.connect(self._show_command)
        self.options.changed.connect(self._show_command)
        self.output.changed.connect(self._show_command)
        self.button.clicked.connect(self.make)
        self._runner.changed.connect(self._show_command)

    def _chosen(self) -> None:
        layer = self.layer
        if layer is not None:
            self.output.propose(_beside(labels_path(layer)))
        self._show_command()

    def _show_command(self) -> None:
        self.measure.setEnabled(self._measured is not None)
        words: list[str] = []
        try:
            words = _words(self._config())
            self.output.show_words(words)
        except (ZigguratError, OSError) as error:
            self.output.show_words(words, f"⚠ {error}" if self.layer is not None else "")
        self.button.setEnabled(bool(words) and not self._runner.busy)

    @property
    def _measured(self) -> "Source | None":
        """The image whose grey values the command can measure; None where there is none."""
        reading = self._reading
        return None if reading is None or reading.said else reading.path

    def _config(self) -> ObjectsConfig:
        if self.layer is None:
            raise InputError(_NO_LABELS)
        values = {
            **self.options.values,
            "labels": _source(labels_path(self.layer)),
            "out": self.output.path,
            "image": self._measured if self.measure.isChecked() else None,
            "overwrite": self.output.replace.isChecked(),
        }
        return ObjectsConfig.create({k: v for k, v in values.items() if v is not None})

    def _written(self, layer: "Labels", out: Path, result: object) -> str:
        """Show what was written; opening it takes a while where there are many objects."""
        lengths = dict(zip(labels_axes(layer), layer_shape(layer), strict=True))
        job = ThreadJob(partial(load_objects, out, labels_axes(layer), lengths))
        shown = partial(self._loaded, layer)
        self._jobs.start(job, Handlers(shown, self._runner.fail))
        return str(result).strip() or f"Written: {out}"

    def _loaded(self, labels: "Labels", loaded: Loaded) -> None:
        if labels in self._viewer.layers:
            self.made.emit(show_loaded(self._viewer, labels, loaded))

    def _followed(self, layer: "Labels | None") -> None:
        """Show the table where there is one."""
        listed = layer is not None and len(self.table.model.rows) > 0
        self.table.setVisible(listed)
        said = _LONG.format(labels_path(layer)) if layer is not None and not listed else ""
        if layer is None and self.layer is None:
            said = _NO_LABELS
        self.text.setText(said)
        self.text.setVisible(bool(said))

    def _unfold(self, layer: "Labels | None") -> None:
        if layer is not None:
            self.fold.button.setChecked(True)

    def _forget(self) -> None:
        self.link.forget()
        for event in _LIST_EVENTS:
            getattr(self._viewer.layers.events, event).disconnect(self.refresh)


def _is_segmentation(layer: Any) -> bool:
    from napari.layers import Labels

    about = layer.metadata.get(METADATA, {})
    return isinstance(layer, Labels) and bool(about.get("path")) and object_grid(layer) is None


def _source(path: str) -> str:
    """Give the probabilities beside labels where they were written: they tell more."""
    from napari_ziggurat.images import is_url
    from napari_ziggurat.runs.output.place import is_probabilities, probabilities_path

    if is_url(path):
        return path
    beside = probabilities_path(Path(path))
    return str(beside) if is_probabilities(beside) else path


def _beside(path: str) -> Path:
    """Propose an output beside the outermost store that labels lie in; of a server at home."""
    from napari_ziggurat.images import stem, to_source

    place = to_source(path)
    name = f"{stem(place)}_{OBJECTS}.ome.zarr"
    return outermost_store(place).with_name(name) if isinstance(place, Path) else Path.home() / name


def _words(config: ObjectsConfig) -> list[str]:
    return command_words(config, sys.executable, "-m", "napari_ziggurat", "objects")
