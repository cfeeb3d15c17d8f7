"""Panel: the dock. It puts the parts together: what is chosen, what is run, what is shown."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QFrame, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.activity import Activity
from napari_ziggurat.gui.command import segment_words
from napari_ziggurat.gui.image_chooser import ImageChooser
from napari_ziggurat.gui.job import Failure, Job, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.layers import Placement, unwrapped
from napari_ziggurat.gui.machine_line import MachineLine
from napari_ziggurat.gui.model_chooser import ModelChooser
from napari_ziggurat.gui.output_chooser import OutputChooser
from napari_ziggurat.gui.results import Target
from napari_ziggurat.gui.runner import Runner
from napari_ziggurat.gui.source import LayerSource, Reading, read_source
from napari_ziggurat.gui.tasks import ViewRequest, examine_machine
from napari_ziggurat.gui.view import visible_box
from napari_ziggurat.gui.widgets import column, row

if TYPE_CHECKING:
    from napari import Viewer

    from napari_ziggurat.runs.config import SegmentConfig

__all__ = ["Panel"]

_WIDTH = 340


class Panel(QWidget):
    """The dock.

    Parameters
    ----------
    napari_viewer : Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: "Viewer") -> None:
        super().__init__()
        self._viewer: Viewer = unwrapped(napari_viewer)
        _check_napari(self._viewer)
        self._jobs = Jobs(self)
        self._opening: Job | None = None  # the look at the chosen image
        self._reading: Reading | None = None  # what it found
        self._make_parts()
        self._lay_out()
        self._connect()
        self._jobs.at_close(self.image.forget)
        self._jobs.at_close(self.runner.forget)
        looked = Handlers(self.machine.show_report, self.machine.fail)
        self._jobs.start(ThreadJob(examine_machine), looked)
        self._read_image()

    def event(self, event: QEvent | None) -> bool:
        """End everything when the dock is closed: napari takes this widget out and keeps it."""
        if event is not None and event.type() == QEvent.Type.ParentChange and not self.parent():
            self._jobs.close()
        return super().event(event)

    def sizeHint(self) -> QSize:
        """Ask for a width that leaves room for the image."""
        return QSize(_WIDTH + 20, 700)

    def _make_parts(self) -> None:
        self.machine = MachineLine()
        self.image = ImageChooser(self._viewer)
        self.model = ModelChooser()
        self.output = OutputChooser()
        self.activity = Activity()
        self.runner = Runner(self._viewer, self._jobs, self.activity)
        self.view_button = QPushButton("Segment view")
        self.view_button.setToolTip("Segment what the canvas shows, into a layer in memory.")
        self.whole_button = QPushButton("Segment whole")
        self.whole_button.setToolTip("Segment the whole image, into the output below.")

    def _lay_out(self) -> None:
        inside = QWidget()
        buttons = row(self.view_button, self.whole_button)
        layout = column(self.machine, self.image, self.model, buttons, self.activity, self.output)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(12)
        for part in (self.machine, self.image, self.model, self.activity, self.output):
            part.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        layout.addStretch()
        inside.setLayout(layout)
        scroll = QScrollArea()  # napari puts none around a dock, and small screens cut it off
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidgetResizable(True)
        scroll.setWidget(inside)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(scroll)
        self.setMinimumWidth(_WIDTH)

    def _connect(self) -> None:
        self.image.changed.connect(self._read_image)
        self.model.changed.connect(self._refresh)
        self.output.changed.connect(self._show_command)
        self.runner.changed.connect(self._refresh)
        self.view_button.clicked.connect(self._segment_view)
        self.whole_button.clicked.connect(self._segment_whole)

    def _read_image(self) -> None:
        """Look for the image behind the chosen layer, in a thread: it may lie on a slow disk."""
        if self._opening is not None:
            self._opening.cancel()
        self._reading = None
        (layer, axes) = (self.image.layer, self.image.axes)
        if layer is not None and axes:
            self._opening = ThreadJob(partial(read_source, LayerSource.of(layer, axes)))
            self._jobs.start(self._opening, Handlers(self._image_known, self._image_refused))
        self._refresh()

    def _image_known(self, reading: Reading) -> None:
        self._reading = reading
        self._refresh()

    def _image_refused(self, failure: Failure) -> None:
        self.image.say(failure.sentence)

    def _refresh(self) -> None:
        """Show what follows from what is chosen."""
        self.output.propose(self._proposal())
        self._show_command()
        chosen = self._reading is not None and self.model.path is not None
        self.view_button.setEnabled(chosen and not self.runner.busy)
        self.whole_button.setEnabled(chosen and not self.runner.busy)

    def _proposal(self) -> Path | None:
        """Propose an output beside the source, or at home for what is in memory."""
        if self._reading is None or self.model.path is None:
            return None
        folder = self._reading.path.parent if self._reading.path else Path.home()
        return folder / f"{self._reading.stem}_{self.model.path.name}.ome.zarr"

    def _show_command(self) -> None:
        in_memory = self._reading is not None and self._reading.path is None
        try:
            words = [] if in_memory else segment_words(self._config())
        except ZigguratError:  # not everything is chosen yet
            words = []
        self.output.show_words(words, in_memory=in_memory)

    def _config(self) -> "SegmentConfig":
        from napari_ziggurat.runs.config import SegmentConfig

        reading = self._chosen_reading()
        values = {
            **reading.said,
            "image": reading.path or Path(reading.stem),
            "model": self.model.path,
            "out": self.output.path,
            "overwrite": self.output.replace.isChecked(),
        }
        return SegmentConfig.create({k: v for k, v in values.items() if v is not None})

    def _target(self) -> Target:
        """Keep what a run belongs to; while it works the choice may change."""
        reading = self._chosen_reading()
        (layer, path, spec) = (self.image.layer, self.model.path, self.model.spec)
        if layer is None or path is None or spec is None:
            raise InputError("Choose an image and a model first.")
        return Target(reading, Placement.of(layer), path, spec.classes)

    def _chosen_reading(self) -> Reading:
        if self._reading is None:
            raise InputError("Choose an image first.")
        return self._reading

    def _segment_view(self) -> None:
        try:
            target = self._target()
            self.runner.segment_view(self._view_request(target), target)
        except ZigguratError as error:
            self.activity.fail(Failure(str(error)))

    def _segment_whole(self) -> None:
        try:
            self.runner.segment_whole(self._config(), self._target())
        except ZigguratError as error:
            self.activity.fail(Failure(str(error)))

    def _view_request(self, target: Target) -> ViewRequest:
        """Say what the canvas shows, in voxels of the image."""
        box = visible_box(self._viewer, self.image.layer) if self.image.layer else None
        if box is None:
            raise InputError(
                "The canvas shows no plane of this image: switch to the 2D display, or move the "
                "image into view."
            )
        axes = target.reading.source.axes
        at = dict(zip(axes, zip(box.start, box.stop, strict=True), strict=True))
        spatial = [at[letter] for letter in target.reading.image.axes.spatial]
        (start, stop) = zip(*spatial, strict=True)
        (moment, _) = at.get("t", (0, 1))
        return ViewRequest(target.reading.image, target.model, Box(start, stop), moment)


def _check_napari(viewer: "Viewer") -> None:
    if not hasattr(viewer, "scene"):
        from napari import __version__

        raise RuntimeError(
            f"Ziggurat needs napari 0.9 or newer; this is {__version__}. "
            "Install it with: pip install -U 'napari>=0.9'"
        )
