"""Panel: the dock. It puts the parts together: what is chosen, what is run, what is shown."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QFrame,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.activity import Activity
from napari_ziggurat.gui.annotate.tab import AnnotateTab
from napari_ziggurat.gui.command import segment_words
from napari_ziggurat.gui.correct import Correct
from napari_ziggurat.gui.image_chooser import ImageChooser
from napari_ziggurat.gui.job import Failure, Job, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.layers import unwrapped
from napari_ziggurat.gui.log.tab import LogTab
from napari_ziggurat.gui.machine_line import MachineLine
from napari_ziggurat.gui.model_chooser import ModelChooser
from napari_ziggurat.gui.models.tab import ModelsTab
from napari_ziggurat.gui.objects.objects_box import ObjectsBox
from napari_ziggurat.gui.options_form import OptionsForm
from napari_ziggurat.gui.output_chooser import OutputChooser
from napari_ziggurat.gui.preferences import preferences
from napari_ziggurat.gui.results import Target
from napari_ziggurat.gui.runner import Runner
from napari_ziggurat.gui.source import LayerSource, Reading, read_source
from napari_ziggurat.gui.state import State
from napari_ziggurat.gui.tasks import ViewRequest, examine_machine
from napari_ziggurat.gui.view import visible_box
from napari_ziggurat.gui.widgets import column, row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

    from napari_ziggurat.images import Image
    from napari_ziggurat.networks import ModelSpec
    from napari_ziggurat.runs.config import SegmentConfig

__all__ = ["Panel"]

_WIDTH = 340
_DRAWN = 300  # ms after which the dock has been drawn
_IN_MEMORY = (
    "These voxels are in memory only, so this window segments them. "
    "For a command line, save them and open the file."
)


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
        self._preferences = preferences()
        self._make_parts()
        self._lay_out()
        self._put_back()
        self._connect()
        self._jobs.at_close(self.image.forget)
        self._jobs.at_close(self.runner.forget)
        self._jobs.at_close(self.correct.forget)
        # When the dock is drawn: the import of torch in a thread keeps the window waiting.
        QTimer.singleShot(_DRAWN, self._look_for_devices)
        self._read_image()

    def event(self, event: QEvent | None) -> bool:
        """End everything when the dock is closed: napari takes this widget out and keeps it."""
        if event is not None and event.type() == QEvent.Type.ParentChange and not self.parent():
            if not self._jobs.closed:
                self.annotate.put_away()
            self._jobs.close()
        return super().event(event)

    def sizeHint(self) -> QSize:
        """Ask for a width that leaves room for the image."""
        return QSize(_WIDTH + 20, 700)

    def _make_parts(self) -> None:
        self.machine = MachineLine()
        self.image = ImageChooser(self._viewer)
        self.model = ModelChooser()
        self.options = OptionsForm()
        self.output = OutputChooser()
        self.activity = Activity()
        self.runner = Runner(self._viewer, self._jobs, self.activity)
        self.objects = ObjectsBox(self._viewer, self._jobs, self.runner)
        self.annotate = AnnotateTab(self._viewer, self._jobs, self.model)
        self.models = ModelsTab(self._jobs)
        self.log = LogTab(self._jobs.log)
        self.correct = Correct(
            self._viewer, self.image, self.annotate, self.runner.results.image_of
        )
        self.view_button = QPushButton("Segment view")
        self.view_button.setToolTip("Segment what the canvas shows, into a layer in memory.")
        self.whole_button = QPushButton("Segment whole")
        self.whole_button.setToolTip("Segment the whole image, into the output below.")

    def _lay_out(self) -> None:
        inside = QWidget()
        above = (self.image, self.model, self.machine)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        if (bar := self.tabs.tabBar()) is not None:
            bar.setDrawBase(False)
        self.tabs.addTab(self.annotate, "Annotate && Train")
        self.tabs.addTab(self._segment_tab(), "Segment")
        self.tabs.addTab(self.models, "Models")
        self.tabs.addTab(self.log, "Log")
        layout = column(*above, self.tabs)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(10)
        _keep_low(above)
        inside.setLayout(layout)
        # napari puts none around a dock, and small screens cut it off.
        self.scroller = scroll = QScrollArea()
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidgetResizable(True)
        scroll.setWidget(inside)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(scroll)
        self.setMinimumWidth(_WIDTH)

    def _segment_tab(self) -> QWidget:
        tab = QWidget()
        buttons = row(self.view_button, self.whole_button)
        below = (self.activity, self.correct, self.options, self.output, self.objects)
        layout = column(buttons, *below)
        layout.setContentsMargins(6, 8, 6, 8)
        layout.setSpacing(12)
        _keep_low(below)
        layout.addStretch()
        tab.setLayout(layout)
        return tab

    def _put_back(self) -> None:
        """Show the dock as it was left, with what its owner always wants."""
        training = self.annotate.train.settings
        forms = {"segment": self.options, "objects": self.objects.options, "train": training}
        self._state = State(forms, self.tabs)
        for form in (self.options, training):
            form.say(self._preferences.machine)

    def _connect(self) -> None:
        self.image.changed.connect(self._read_image)
        self.model.changed.connect(self._refresh)
        self.model.changed.connect(self._model_chosen)
        self.options.changed.connect(self._show_command)
        self.output.changed.connect(self._show_command)
        self.runner.changed.connect(self._refresh)
        self.annotate.train.saved.connect(self.model.open)
        self.models.wanted.connect(self.model.open)
        self.log.listen(self)
        self.correct.wanted.connect(partial(self.tabs.setCurrentWidget, self.annotate))
        self.view_button.clicked.connect(self._segment_view)
        self.whole_button.clicked.connect(self._segment_whole)

    def _look_for_devices(self) -> None:
        looked = Handlers(self.machine.show_report, self.machine.fail)
        self._jobs.start(ThreadJob(examine_machine), looked)

    def _read_image(self) -> None:
        """Look for the image behind the chosen layer, in a thread: it may lie on a slow disk."""
        if self._opening is not None:
            self._opening.cancel()
        self._reading = None
        (layer, axes) = (self.image.layer, self.image.axes)
        self.annotate.show_image(layer, None)
        self.objects.show_reading(None)
        if layer is not None and axes:
            source = LayerSource.of(layer, axes)
            self._opening = ThreadJob(partial(read_source, source, self._preferences.folder))
            self._jobs.start(self._opening, Handlers(self._image_known, self._image_refused))
        self._refresh()

    def _image_known(self, reading: Reading) -> None:
        self._reading = reading
        if (whole := reading.all_channels) is not None:
            (count, name) = (len(whole.image.channels), whole.image.name)
            self.image.say(f"A channel of {name}; a model for {count} channels gets all of them.")
        self.annotate.show_image(self.image.layer, reading)
        self.objects.show_reading(reading)
        self._refresh()

    def _image_refused(self, failure: Failure) -> None:
        self.image.say(f"⚠ {failure.sentence}")

    def _model_chosen(self) -> None:
        self.models.show_in_use(self.model.path)

    @property
    def _chosen(self) -> bool:
        return self._reading is not None and self.model.path is not None

    def _refresh(self) -> None:
        """Show what follows from what is chosen."""
        self.output.propose(self._proposal())
        self.options.show_choice(*self._chosen_pair())
        self._show_command()
        self.view_button.setEnabled(self._chosen and not self.runner.busy)
        self.whole_button.setEnabled(self._chosen and not self.runner.busy)

    def _chosen_pair(self) -> "tuple[Image | None, ModelSpec | None]":
        image = None if self._reading is None else self._chosen_reading().image
        return image, self.model.spec

    def _proposal(self) -> Path | None:
        """Propose an output beside the source, or at home for what is in memory."""
        if self._reading is None or self.model.path is None:
            return None
        base = self._chosen_reading().base
        return base.with_name(f"{base.name}_{self.model.path.name}.ome.zarr")

    def _show_command(self) -> None:
        """Show the command line, or why there is none."""
        words: list[str] = []
        try:
            config = self._config(self.output.path)
            if self._chosen_reading().path is not None:
                words = segment_words(config)
            self.output.show_words(words, _IN_MEMORY)
        except ZigguratError as error:  # perhaps because not everything is chosen yet
            self.output.show_words(words, f"⚠ {error}" if self._chosen else "")

    def _config(self, out: Path | None) -> "SegmentConfig":
        from napari_ziggurat.runs.config import SegmentConfig

        reading = self._chosen_reading()
        values = {
            **reading.said,
            **self.options.values,
            "image": reading.path or Path(reading.base.name),
            "model": self.model.path,
            "out": out,
            "overwrite": self.output.replace.isChecked(),
        }
        return SegmentConfig.create({k: v for k, v in values.items() if v is not None})

    def _target(self, config: "SegmentConfig") -> Target:
        """Keep what a run belongs to; while it works the choice may change."""
        (path, spec) = self.model.look_again()
        if (layer := self.image.layer) is None:
            raise InputError("Choose an image first.")
        reading = self._chosen_reading()
        image = replace(reading.image, nan_as=config.nan_as)
        return Target.of(layer, replace(reading, image=image), path, spec.classes)

    def _chosen_reading(self) -> Reading:
        if self._reading is None:
            raise InputError("Choose an image first.")
        spec = self.model.spec
        return self._reading if spec is None else self._reading.for_channels(len(spec.channels))

    def _segment_view(self) -> None:
        try:
            config = self._config(Path("view"))  # which is not written
            target = self._target(config)
            self.runner.segment_view(self._view_request(target, config), target)
        except (ZigguratError, OSError) as error:
            self.activity.fail(Failure.of(error))

    def _segment_whole(self) -> None:
        try:
            config = self._config(self.output.path)
            self.runner.segment_whole(config, self._target(config))
        except (ZigguratError, OSError) as error:
            self.activity.fail(Failure.of(error))
        else:
            self.output.replace.setChecked(False)  # after a Cancel the next click goes on

    def _view_request(self, target: Target, config: "SegmentConfig") -> ViewRequest:
        """Say what the canvas shows, in voxels of the image."""
        box = visible_box(self._viewer, target.layer)
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
        return ViewRequest(
            target.reading.image,
            target.model,
            Box(start, stop),
            moment,
            config.device,
            config.depth,
        )


def _keep_low(parts: "Sequence[QWidget]") -> None:
    """Give parts no more height than they need."""
    for part in parts:
        part.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)


def _check_napari(viewer: "Viewer") -> None:
    if not hasattr(viewer, "scene"):
        from napari import __version__

        raise RuntimeError(
            f"Ziggurat needs napari 0.9 or newer; this is {__version__}. "
            "Install it with: pip install -U 'napari>=0.9'"
        )
