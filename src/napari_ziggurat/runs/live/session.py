"""LiveTraining: a training that goes on while strokes are painted, and can be looked at."""

import gc
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image
from napari_ziggurat.networks import Model
from napari_ziggurat.progress import Progress, Run, finish
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.live.config import live_config
from napari_ziggurat.runs.live.held import HeldStrokes
from napari_ziggurat.runs.live.labels import Labels, LiveLabels
from napari_ziggurat.runs.live.learning import Learning
from napari_ziggurat.runs.live.results import Results
from napari_ziggurat.runs.live.start import set_up
from napari_ziggurat.runs.live.strokes import Strokes
from napari_ziggurat.runs.live.watched import Point, Snapshot
from napari_ziggurat.runs.train import TrainResult
from napari_ziggurat.training.loop import Batch, Prefetch
from napari_ziggurat.training.volumes import LabelCode

__all__ = ["LiveTraining"]

_LOOK_EVERY = 0.2  # seconds between looks for strokes while there are too few
_POINT_EVERY = 10  # steps
_FIRST_REVIEW, _REVIEW_EVERY = 50, 200  # steps


class LiveTraining:
    """A training that takes in strokes while it runs; a context manager that ends it.

    `run` trains in the thread that loops over it. All else may be called from any thread, and does
    not stop the training.

    Parameters
    ----------
    image : Image
        What is segmented.
    labels : AnnotationStore, SparseLabels or array of uint8
        What is painted on: 0 unlabelled, 1 to 254 a class, 255 background; axes [t,] [z,] y, x.
        New strokes of a store are seen by themselves, those in an array are told by `touch`.
    config : TrainConfig, optional
        Settings, of which length and place of the model do not matter; see `live_config`.
    parent : Model, optional
        Model that the training goes on from. Classes that it lacks are added to it.
    out : path, optional
        Folder that the model is saved to whenever a run ends, for whatever reason.
    hold_out : bool
        Whether a fifth of the strokes is kept out of training, to score on. Strokes that are
        painted in these places later are learned like all others.

    Attributes
    ----------
    points : sequence of Point
        Loss and scores so far; it grows.
    saved : TrainResult or None
        What was saved last.

    Raises
    ------
    InputError
        The labels do not belong to the image.
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
        self.points: Sequence[Point] = []
        self.saved: TrainResult | None = None
        self._image, self._parent = image, parent
        self._config = live_config(image, labels) if config is None else config
        self._out = None if out is None else Path(out)
        self._holds_out = hold_out
        self._labels = LiveLabels(labels, image, self._config.level)
        self._strokes = Strokes(self._labels)
        self._results = Results()
        self._batches: Prefetch | None = None
        self._learning: Learning | None = None
        self._working = threading.RLock()  # while a step is made: closing waits for its end
        self._average = threading.Lock()  # while the averaged weights change or are copied
        self._woken = threading.Event()
        self._runs = self._stopped = self._closed = False

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
        learning = self._learning
        return 0 if learning is None else learning.state.number

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
        self._strokes.touch(box)
        self._woken.set()

    def stop(self) -> None:
        """Let `run` end after the step that it is at."""
        self._stopped = True
        self._woken.set()

    def snapshot(self) -> Snapshot | None:
        """Give the model as it is now; the training goes on meanwhile.

        Its weights are the averaged ones, with norm statistics of a few patches of now. How common
        the classes are is estimated every 200 steps, from the 250th on.

        Returns
        -------
        Snapshot or None
            The same one where no step was made since the last call; None before the first step.
        """
        learning = self._learning
        if learning is None or not learning.state.number:
            return None
        return self._results.snapshot(learning, self._average)

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
        learning, place = self._learning, self._out if out is None else Path(out)
        if learning is None or not learning.state.number:
            raise InputError("There is nothing to save yet: no training step was made.")
        if place is None:
            raise InputError("Say where the model is saved, for example save('model').")
        result = yield from self._results.save(learning, self._average, place, overwrite)
        self.saved = result
        return result

    def close(self) -> None:
        """End the training and give its memory back; it cannot go on."""
        self.stop()
        with self._working:
            if self._closed:
                return
            self._closed = True
            self._stop_batches()
            self._save_the_rest()
            on_gpu = self._learning is not None and self._learning.trainee.device.type == "cuda"
            self._learning = self._parent = None
            self._results = Results()
            self._strokes = Strokes(self._labels)
            gc.collect()
            if on_gpu:
                torch.cuda.empty_cache()

    def _enter(self) -> None:
        if self._closed:
            raise InputError("This training was closed; make a new one.")
        if self._runs:
            raise InputError("This training runs already; stop it first.")
        self._runs, self._stopped = True, False

    def _leave(self) -> None:
        with self._working:
            self._runs = False
            self._stop_batches()
            self._save_the_rest()

    def _train(self) -> Run[None]:
        if self._learning is None:
            yield from self._wait_for_classes()
            if not self._stopped:
                yield from self._begin()
        while not self._stopped:
            yield from self._work()

    def _wait_for_classes(self) -> Run[None]:
        """Wait until strokes of two classes are there."""
        yield Progress("prepare", message="looking for strokes")
        self._strokes.look_through()
        said = ""
        while not self._stopped:
            self._strokes.take_up(0)
            said_before, said = said, self._missing()
            if not said:
                return
            yield Progress("wait", message=said if said != said_before else "")
            self._sleep()

    def _missing(self) -> str:
        """Say what has to be painted before anything can be learned; nothing where all is there."""
        try:
            self._strokes.values(foreground=self._config.task == "foreground")
        except InputError as error:
            return str(error)
        return ""

    def _sleep(self) -> None:
        """Wait a little, or until something happens."""
        self._woken.wait(_LOOK_EVERY)
        self._woken.clear()

    def _begin(self) -> Run[None]:
        with self._working:
            self._strokes.forget_newest()
            setup, network = set_up(
                self._image, self._labels, self._strokes, self._config, self._parent
            )
            held = HeldStrokes()
            if self._holds_out:
                held = HeldStrokes.choose(setup.sampler, self._config.seed)
            learning = Learning.begin(setup, network, self._strokes, held)
            self._learning = learning if self._parent else learning.calibrated()
        yield Progress("prepare", message="\n".join(setup.reasons))
        if held.words:
            yield Progress("prepare", message=held.words)

    def _work(self) -> Run[None]:
        """Take up what was painted, and make a step if something can be learned."""
        with self._working:
            said = [] if self._closed else self._take_up()
        for message in said:
            yield Progress("train", self.step, message=message)
        with self._working:
            if self._stopped:
                return
            assert self._learning is not None  # it has begun, and was not closed
            learnable = self._learning.learnable
            shown = self._step(self._learning) if learnable else Progress("wait")
        yield shown
        if not learnable:
            self._sleep()

    def _take_up(self) -> list[str]:
        """Let strokes that were painted or erased meanwhile join the next batches."""
        learning = self._learning
        assert learning is not None
        boxes = self._strokes.take_up(self.step)
        if not boxes and not self._strokes.let_age(self.step):
            return []
        held, said = _given_up(learning.held, boxes, timed=self._labels.timed)
        learning, widened = self._with_new_classes(learning)
        learning = learning.on(self._strokes, held.with_code(learning.setup.data.code))
        if not learning.learnable and held.volumes:  # those that are left are needed to learn from
            learning = learning.on(self._strokes, HeldStrokes())
        if widened or not learning.learnable:
            self._stop_batches()
        with self._average:
            self._learning = learning
        if not learning.learnable:
            said.append(self._missing() or "Paint strokes of a second class.")
        return said + widened

    def _with_new_classes(self, learning: Learning) -> tuple[Learning, list[str]]:
        """Widen the network where a class was painted that it lacks."""
        if self._missing():
            return learning, []
        known = learning.setup.data.code
        found = set(self._strokes.values(foreground=known.foreground))
        if found <= set(known.values):
            return learning, []
        code = LabelCode(tuple(sorted(found | set(known.values))), False, known.foreground)
        learning = learning.with_classes(code, self._strokes)
        names = [c.name for c in learning.setup.classes if c.value not in known.values]
        return learning, [f"new in the training: {', '.join(names)}"]

    def _step(self, learning: Learning) -> Progress:
        """Make a step, and what is due after it."""
        learning.step(self._next_batch(), self._average)
        state = learning.state
        metrics = {
            "loss": state.loss,
            "steps_per_second": 1 / state.pace if state.pace else state.number / state.elapsed,
            "labelled": float(self._strokes.count),
        }
        scores = {}
        if (state.number - learning.born) % _REVIEW_EVERY == _FIRST_REVIEW:
            scores = self._results.review(learning, self._average)
        if scores:
            metrics["dice"] = sum(scores.values()) / len(scores)
        if scores or state.number % _POINT_EVERY == 0:
            point = Point(state.number, state.elapsed, state.loss, scores)
            self.points = (*self.points, point)
        return Progress("train", state.number, metrics=metrics)

    def _next_batch(self) -> Batch:
        if self._batches is None:
            self._threads = torch.get_num_threads()
            self._batches = Prefetch(self._make_batch(), self.step)
        return self._batches.next()

    def _make_batch(self) -> Callable[[int], Batch]:
        """Give what makes batches of the strokes that are there when it is called."""

        def make(number: int) -> Batch:
            learning = self._learning
            assert learning is not None  # closing ends the thread first
            return learning.batch(number)

        return make

    def _stop_batches(self) -> None:
        if self._batches is not None:
            self._batches.stop()
            self._batches = None
            torch.set_num_threads(self._threads)  # the thread that makes batches lowered it

    def _save_the_rest(self) -> None:
        """Save what was learned since the last time, where there is a folder for it."""
        if self._out is not None and self.step > (self.saved.steps if self.saved else 0):
            finish(self.save())

    def _told_what_was_saved(self) -> Run[None]:
        if self._out is not None and self.saved is not None:
            message = f"stopped; the model after {self.saved.steps} steps is saved in '{self._out}'"
            yield Progress("train", self.saved.steps, message=message)


def _given_up(
    held: HeldStrokes, boxes: Sequence[Box], *, timed: bool
) -> tuple[HeldStrokes, list[str]]:
    """Give up places of held-out strokes in which was painted; say so."""
    left = held
    for box in boxes:
        times = range(box.start[0], box.stop[0]) if timed else (0,)
        place = Box(box.start[timed:], box.stop[timed:])
        for time in times:
            left = left.without(time, place)
    return left, [] if left is held else [left.words]
