"""LiveTraining: a training that goes on while strokes are painted, and can be looked at."""

import gc
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.progress import Progress, Run, finish
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.live.config import live_config
from napari_ziggurat.runs.live.labels import Labels, LiveLabels
from napari_ziggurat.runs.live.trainer import Trainer
from napari_ziggurat.runs.live.watched import Point, Snapshot
from napari_ziggurat.runs.retrain.table import Comparison
from napari_ziggurat.runs.train.result import TrainResult

__all__ = ["LiveTraining"]

_LOOK_EVERY = 0.2  # seconds between looks for strokes while there are too few


def _refuse_objects(config: TrainConfig, parent: Model | None) -> None:
    """Refuse what takes whole objects, which are not there while a person paints."""
    if config.shapes or (parent is not None and parent.spec.shapes):
        raise InputError(
            "A live training learns classes, and --task instance learns where objects end: train "
            "it with 'ziggurat train', or take a model of another task here."
        )


class LiveTraining:
    """A training that takes in strokes while it runs; a context manager that ends it.

    `run` trains in the thread that loops over it. All else may be called from any thread, and does
    not stop the training.

    Parameters
    ----------
    image : Image
        What is segmented.
    labels : AnnotationStore, SparseLabels or array of uint8
        What is painted on: 0 unlabelled, 1 to 254 a class, 255 background; axes ``(t,) (z,) y, x``.
        New strokes of a store are seen by themselves, those in an array are told by `touch`.
    config : TrainConfig, optional
        Settings, of which length and place of the model do not matter; see `live_config`.
    parent : Model, optional
        Model that the training goes on from, instead of one that ``from_model`` of the settings
        names. Classes that it lacks are added to it. Half of the patches come from what it was
        trained on, as far as that is still there, unless the settings say ``replay="off"``.
    out : path, optional
        Folder that the model is saved to whenever a run ends, for whatever reason.
    hold_out : bool
        Whether a fifth of the strokes is kept out of training, to score on. Strokes that are
        painted in these places later are learned like all others.

    Attributes
    ----------
    saved : TrainResult or None
        What was saved last.

    Raises
    ------
    InputError
        The labels do not belong to the image.
    ExistsError
        There is a model at ``out``, and the settings do not say ``overwrite``.
    """

    def __init__(
        self,
        image: Image,
        labels: Labels,
        config: TrainConfig | None = None,
        *,
        parent: Model | None = None,
        out: Path | str | None = None,
        hold_out: bool = True,
    ) -> None:
        self.saved: TrainResult | None = None
        self._config = live_config(image, labels) if config is None else config
        self._image, self._parent = image, parent or _named_parent(self._config)
        _refuse_objects(self._config, self._parent)
        self._out = None if out is None else Path(out)
        _refuse_existing(self._out, overwrite=self._config.overwrite)
        self._holds_out = hold_out
        self._labels = LiveLabels(labels, image, self._config.level)
        self._trainer = Trainer(self._labels, self._config)
        self._working = threading.RLock()  # while a step is made: closing waits for its end
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._runs = self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def step(self) -> int:
        """Steps done."""
        return self._trainer.step_number

    @property
    def points(self) -> Sequence[Point]:
        """Loss and scores so far, one point for ten steps."""
        return tuple(self._trainer.points)

    def run(self) -> Run[TrainResult | None]:
        """Train until `stop` or `close` is called or the generator is closed; then it can go on.

        Before strokes of two classes are there it waits for them, and says so.

        Returns
        -------
        TrainResult or None
            As the generator's value: what was saved, where ``out`` was given.

        Raises
        ------
        InputError
            It runs already, or was closed; or the data cannot be learned from.
        Diverged
            The loss became NaN or infinite. The weights of the step before are kept.
        """
        self._enter()
        try:
            yield from self._train()
        finally:  # also at Ctrl-C and closing
            self._leave()
        yield from self._told_what_was_saved()
        return self.saved

    def touch(self, box: Box) -> None:
        """Say that labels changed in a box, one range per axis of the labels."""
        self._trainer.strokes.touch(box)
        self._woken.set()

    def stop(self) -> None:
        """Let `run` end after the step that it is at."""
        self._stopped.set()
        self._woken.set()

    def snapshot(self) -> Snapshot | None:
        """Give the model as it is now; the training goes on meanwhile.

        Its weights are the averaged ones, with norm statistics of a few patches of now. How common
        the classes are is estimated every 200 steps, once enough was learned to tell.

        Returns
        -------
        Snapshot or None
            The same one where no step was made since the last call; None before the first step.
        """
        trainer = self._trainer
        learning = trainer.learning
        if learning is None or not learning.state.number:
            return None
        return trainer.results.snapshot(learning, trainer.average)

    def save(self, out: Path | str | None = None, *, overwrite: bool = False) -> Run[TrainResult]:
        """Save the model as it is now, as `train` would: a run of its own.

        Parameters
        ----------
        out : path, optional
            Folder of the model; that of the training unless given.
        overwrite : bool
            Replace a model that is there already. One that this training saved is replaced anyway.

        Raises
        ------
        InputError
            No step was made yet, or no folder was given.
        ExistsError
            There is a model in the folder.
        """
        trainer, place = self._trainer, self._out if out is None else Path(out)
        learning = trainer.learning
        if learning is None or not learning.state.number:
            raise InputError("There is nothing to save yet: no training step was made.")
        if place is None:
            raise InputError("Say where the model is saved, for example save('model').")
        result = yield from trainer.results.save(learning, trainer.average, place, overwrite)
        self.saved = result
        return result

    def compare(self) -> Run[Comparison | None]:
        """Score what the last run began with, and what is learned now, on held-out strokes.

        Returns
        -------
        Comparison or None
            As the generator's value: Dice by class before and after, where a class has at least
            50 held-out voxels; before is missing where nothing had been learned. None where too
            little is held out to tell any number.
        """
        yield Progress("compare")
        return self._trainer.compare_round()

    def keep(self) -> None:
        """Give up the way back to where the last run began, and the memory that it takes."""
        self._trainer.keep_round()

    def go_back(self) -> int:
        """Take back all steps of the last run; the next one goes on from there.

        Strokes stay as they are now. Gives the steps that are left.

        Raises
        ------
        InputError
            It runs, or there is no run to take back.
        """
        with self._working:
            if self._runs:
                raise InputError("This training runs; stop it first, then its run can be undone.")
            if not self._trainer.go_back():
                raise InputError("There is no run of this training that can be taken back.")
            return self.step

    def close(self) -> None:
        """End the training and give its memory back; it cannot go on."""
        self.stop()
        with self._working:
            if self._closed:
                return
            self._closed = True
            self._trainer.stop_batches()
            self._save_the_rest()
            points = self._trainer.points
            self._trainer, self._parent = Trainer(self._labels, self._config), None
            self._trainer.points = points
            gc.collect()  # optimisers are in cycles
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()

    def _enter(self) -> None:
        if self._closed:
            raise InputError("This training was closed; make a new one.")
        if self._runs:
            raise InputError("This training runs already; stop it first.")
        self._runs = True
        self._stopped.clear()

    def _leave(self) -> None:
        with self._working:
            self._runs = False
            self._trainer.stop_batches()
            self._save_the_rest()

    def _train(self) -> Run[None]:
        if self._trainer.learning is None:
            yield from self._wait_for_classes()
            yield from self._begin()
        self._trainer.begin_round()
        while not self._stopped.is_set():
            yield from self._work()

    def _wait_for_classes(self) -> Run[None]:
        """Wait until strokes of two classes are there."""
        yield Progress("prepare", message="looking for strokes")
        self._trainer.strokes.look_through()
        said = ""
        while not self._stopped.is_set():
            self._trainer.strokes.take_up(0)
            said_before, said = said, self._trainer.missing()
            if not said:
                return
            yield Progress("wait", message=said if said != said_before else "")
            self._sleep()

    def _sleep(self) -> None:
        """Wait a little, or until something happens."""
        self._woken.wait(_LOOK_EVERY)
        self._woken.clear()

    def _begin(self) -> Run[None]:
        with self._working:
            if self._stopped.is_set():
                return
            said = self._trainer.begin(self._image, self._parent, hold_out=self._holds_out)
        for message in said:
            yield Progress("prepare", message=message)

    def _work(self) -> Run[None]:
        """Take up what was painted, and make a step if something can be learned."""
        with self._working:
            if self._stopped.is_set():
                return
            said = self._trainer.take_up()
        for message in said:
            yield Progress("train", self.step, message=message)
        with self._working:
            if self._stopped.is_set():
                return
            learning = self._trainer.learning
            learnable = learning is not None and learning.learnable
            del learning  # nothing of it may stay here when this is closed
            shown = self._trainer.step() if learnable else Progress("wait")
        yield shown
        if not learnable:
            self._sleep()

    def _save_the_rest(self) -> None:
        """Save what was learned since the last time, where there is a folder for it."""
        if self._out is None:
            return
        saved = self.saved is not None and self.saved.model == str(self._out)
        if self.step > (self.saved.steps if saved and self.saved else 0):
            finish(self.save(overwrite=self._config.overwrite))

    def _told_what_was_saved(self) -> Run[None]:
        if self._out is not None and self.saved is not None:
            message = f"stopped; the model after {self.saved.steps} steps is saved in '{self._out}'"
            yield Progress("train", self.saved.steps, message=message)


def _named_parent(config: TrainConfig) -> Model | None:
    return None if config.from_model is None else load_model(config.from_model)


def _refuse_existing(out: Path | None, *, overwrite: bool) -> None:
    """Refuse a folder that holds a model before anything is learned."""
    if out is not None and (out / "model.json").exists() and not overwrite:
        raise ExistsError(
            f"'{out}' holds a model already. Give another folder, or the setting overwrite=True to "
            "replace it."
        )
