"""Train box: Train, Stop, Continue; the curves; what is learned, shown where one looks."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLineEdit, QPushButton, QSlider, QWidget

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.gui.annotate.opening import annotated
from napari_ziggurat.gui.annotate.session import Session
from napari_ziggurat.gui.job import Failure, ThreadJob
from napari_ziggurat.gui.jobs import Handlers, Jobs
from napari_ziggurat.gui.train.curve import Curve
from napari_ziggurat.gui.train.live import Live
from napari_ziggurat.gui.train.preview_loop import PreviewLoop
from napari_ziggurat.gui.train.round_box import RoundBox
from napari_ziggurat.gui.train.settings_form import SettingsForm
from napari_ziggurat.gui.widgets import column, note, row, typed_path

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_ziggurat.gui.model_chooser import ModelChooser
    from napari_ziggurat.gui.source import Reading
    from napari_ziggurat.progress import Progress

__all__ = ["TrainBox"]

(_TRAIN, _STOP, _CONTINUE) = ("Train", "Stop", "Continue")
_FORGET = "What was learned and not saved is lost then; click once more to begin anew."


class TrainBox(QWidget):
    """Trains on the annotation of the chosen image while it is painted.

    Parameters
    ----------
    viewer : Viewer
    jobs : Jobs
    model : ModelChooser
        Gives the model to go on from, where that is wished.
    """

    saved = Signal(object)  # Path of a model

    def __init__(self, viewer: "Viewer", jobs: Jobs, model: "ModelChooser") -> None:
        super().__init__()
        self._jobs, self._model = jobs, model
        self._session: Session | None = None
        self._image: ImageLayer | None = None
        self._reading: Reading | None = None
        self._lives: WeakKeyDictionary[Session, Live] = WeakKeyDictionary()
        self._running: Live | None = None
        self._saving: ThreadJob | None = None
        self._keeping = False  # what is saved is what was kept of a round
        self._asked = False  # whether what was learned may be forgotten
        self.loop = PreviewLoop(viewer, jobs)
        self.round = RoundBox(jobs)
        self._make_parts()
        self._lay_out()
        jobs.at_close(self.close_all)

    def show_session(
        self, session: Session | None, image: "ImageLayer | None", reading: "Reading | None"
    ) -> None:
        """Follow the annotation of the chosen image; training on another one is stopped."""
        if session is not self._session and self._running is not None:
            self._running.stop()
        if self._session is not None and self._session.closed:
            self._drop(self._session)
        if session is not self._session:
            self.round.end()
            self.loop.stop(remove=True)
            self.text.setText("")
        (self._session, self._image, self._reading) = (session, image, reading)
        if reading is not None and not self.line.isModified():
            base = annotated(reading).base
            self.line.setText(str(base.with_name(f"{base.name}_model")))
        self._refresh()

    def toggle(self) -> None:
        """Train, or stop; what is learned is kept."""
        if self._running is not None:
            self._running.stop()
            self.text.setText("Stopping after this step…")
            return
        (session, reading) = (self._session, self._reading)
        if session is None or reading is None or session.closed:
            self.text.setText("Press Annotate and paint first.")
            return
        session.save()
        self.round.end()
        try:
            self._running = self._lives.get(session) or self._make(session, reading)
        except ZigguratError as error:
            self.text.setText(f"⚠ {error}")
            return
        self._lives[session] = self._running
        self.text.setText("Loading…")
        self._jobs.start(
            ThreadJob(self._running.run),
            Handlers(self._done, self._failed, self._progressed, self._ended, self._told),
        )
        self._preview_changed()
        self._refresh()

    def close_all(self) -> None:
        """End every training; widgets may be gone already."""
        self.loop.stop()
        for live in list(self._lives.values()):
            live.close()

    def _make(self, session: Session, reading: "Reading") -> Live:
        parent = self._model.path if self.parent_box.isChecked() else None
        image = annotated(reading).image
        config = self.settings.settings(image, session.store)
        return Live(replace(image, nan_as=config.nan_as), session.store, config, parent)

    def _ask_again(self) -> None:
        """Forget a training, once it is clear that what it learned is not wanted."""
        live = None if self._session is None else self._lives.get(self._session)
        if self._session is None or live is None:
            return
        if not self._asked:
            self._asked = True
            self.text.setText(_FORGET)
            return
        self._drop(self._session)
        self.round.end()
        self.loop.stop(remove=True)
        self.text.setText("")
        self._refresh()

    def _make_parts(self) -> None:
        self.button = QPushButton(_TRAIN)
        self.button.setToolTip(
            "Train on what is painted; strokes that come meanwhile are taken up (Shift+T)."
        )
        self.settings = SettingsForm()
        self.again_button = QPushButton("Begin anew")
        self.again_button.setToolTip("Forget this training, to begin another one.")
        self.parent_box = QCheckBox("Go on from the chosen model")
        self.parent_box.setToolTip("Off: a new network is trained from the beginning.")
        self.text = note("training")
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.curve = Curve()
        self.preview_box = QCheckBox("Live preview")
        self.preview_box.setChecked(True)
        self.preview_box.setToolTip("Show what is learned of what you look at.")
        self.unsure_box = QCheckBox("Uncertainty")
        self.unsure_box.setToolTip("Show how unsure it is instead: bright where classes compete.")
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(round(100 * self.loop.preview.opacity))
        self.opacity.setToolTip("How much the preview covers the image.")
        self.preview_text = note("preview")
        self.line = QLineEdit()
        self.line.setObjectName("trained-model")
        self.line.setToolTip("The folder of the model that Save writes.")
        self.save_button = QPushButton("Save model")
        self.save_button.setToolTip("Write the model as it is now, and choose it above.")

    def _lay_out(self) -> None:
        shown = row(self.preview_box, self.unsure_box, self.opacity)
        shown.setStretch(2, 1)
        self._learned = QWidget()
        written = row(self.line, self.save_button)
        parts = (self.curve, shown, self.preview_text, self.round, written, self.again_button)
        self._learned.setLayout(column(*parts))
        self._learned.hide()
        self.setLayout(
            column(self.button, self.parent_box, self.text, self._learned, self.settings)
        )
        self.button.clicked.connect(self.toggle)
        self.save_button.clicked.connect(self._save)
        self.round.kept.connect(self._keep)
        self.round.went_back.connect(self._went_back)
        self.again_button.clicked.connect(self._ask_again)
        self.preview_box.toggled.connect(self._preview_changed)
        self.unsure_box.toggled.connect(self.loop.show_unsure)
        self.opacity.valueChanged.connect(self._opacity_changed)
        self.loop.said.connect(self.preview_text.setText)

    def _refresh(self) -> None:
        live = None if self._session is None else self._lives.get(self._session)
        busy = self._running is not None
        self.button.setText(_STOP if busy else _TRAIN if live is None else _CONTINUE)
        self.parent_box.setVisible(live is None and self._model.path is not None)
        self._learned.setVisible(live is not None)
        self.save_button.setEnabled(live is not None and self._saving is None)
        self.again_button.setEnabled(not busy and self._saving is None)
        self.settings.show_begun(begun=live is not None)
        self._asked = False
        if live is not None:
            self.curve.show_points(live.points)

    def _progressed(self, step: "Progress") -> None:
        if step.stage != "train" or self._running is None:
            return
        self.loop.step = step.done
        self.curve.show_points(self._running.points)
        parts = [f"Step {step.done:,}"]
        if "steps_per_second" in step.metrics:
            parts.append(f"{step.metrics['steps_per_second']:.3g} per s")
        if "labelled" in step.metrics:
            parts.append(f"{int(step.metrics['labelled']):,} labelled voxels")
        if "dice" in step.metrics:
            parts.append(f"Dice {step.metrics['dice']:.3f}")
        self.text.setText(", ".join(parts))

    def _told(self, message: str) -> None:
        self.text.setText(message)

    def _done(self, result: object) -> None:
        self.text.setText("Stopped; Continue goes on where it was.")

    def _failed(self, failure: Failure) -> None:
        self.text.setText(f"⚠ {failure.sentence}")

    def _ended(self) -> None:
        live, self._running = self._running, None
        here = self._session is not None and self._lives.get(self._session) is live
        if live is not None and here and live.learned:
            self.round.compare(live)
        self._refresh()

    def _keep(self) -> None:
        """Save what a round made: it is the current model then."""
        self._keeping = True
        self._save()

    def _went_back(self, steps: int) -> None:
        self.loop.go_back(steps)
        self.text.tell(f"Back at step {steps:,}; Continue goes on from there.")
        self._refresh()

    def _save(self) -> None:
        live = None if self._session is None else self._lives.get(self._session)
        text = self.line.text().strip()
        if live is None or not text:
            self.text.setText("Say where the model goes.")
            return
        try:
            out = typed_path(text)
        except InputError as error:
            self.text.setText(f"⚠ {error}")
            return
        self._saving = ThreadJob(partial(live.save, out, self.loop.place()))
        self.save_button.setEnabled(False)
        heard = Handlers(self._written, self._failed, ended=self._save_ended)
        self._jobs.start(self._saving, heard)

    def _written(self, out: Path) -> None:
        if self._keeping:
            self.round.keep()
        self.text.tell(f"Saved: {out}")
        self.saved.emit(out)

    def _save_ended(self) -> None:
        (self._saving, self._keeping) = (None, False)
        self._refresh()

    def _preview_changed(self, shown: bool = True) -> None:
        live = None if self._session is None else self._lives.get(self._session)
        wanted = self.preview_box.isChecked() and live is not None
        if wanted and live is not None and self._image is not None and self._reading is not None:
            self.loop.start(live, self._image, self._reading)
        else:
            self.loop.stop(remove=True)

    def _opacity_changed(self, percent: int) -> None:
        self.loop.preview.set_opacity(percent / 100)

    def _drop(self, session: Session) -> None:
        """Forget the training of an annotation that is closed."""
        if (live := self._lives.pop(session, None)) is not None:
            live.close()
