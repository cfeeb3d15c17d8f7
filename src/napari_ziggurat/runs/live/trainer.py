"""Trainer: the steps of a live training, and what happens between them."""

import threading
from collections.abc import Sequence

import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image
from napari_ziggurat.networks import Model
from napari_ziggurat.progress import Progress, finish
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.live.held import HeldStrokes
from napari_ziggurat.runs.live.labels import LiveLabels
from napari_ziggurat.runs.live.learning import Learning
from napari_ziggurat.runs.live.record import Origin
from napari_ziggurat.runs.live.replay import read_replayed
from napari_ziggurat.runs.live.results import Results
from napari_ziggurat.runs.live.rounds import Beginning, compare_round
from napari_ziggurat.runs.live.start import set_up
from napari_ziggurat.runs.live.strokes import Strokes
from napari_ziggurat.runs.live.watched import Point
from napari_ziggurat.runs.retrain.table import Comparison
from napari_ziggurat.training.loop import Batch, Prefetch
from napari_ziggurat.training.volumes import LabelCode

__all__ = ["Trainer"]

_POINT_EVERY = 10  # steps
_FIRST_REVIEW, _REVIEW_EVERY = 50, 200  # steps


class Trainer:
    """Makes steps, and takes up between them what was painted; for one thread at a time.

    Parameters
    ----------
    labels : LiveLabels
    config : TrainConfig

    Attributes
    ----------
    strokes : Strokes
    learning : Learning or None
        None before `begin`.
    results : Results
    points : list of Point
    average : Lock
        Held while the averaged weights change or are copied; other threads may copy them.
    """

    def __init__(self, labels: LiveLabels, config: TrainConfig) -> None:
        self.strokes = Strokes(labels)
        self.learning: Learning | None = None
        self.results = Results()
        self.points: list[Point] = []
        self.average = threading.Lock()
        self._beginning: Beginning | None = None  # of the run
        self._labels, self._config = labels, config
        self._batches: Prefetch | None = None
        self._threads = 0

    @property
    def step_number(self) -> int:
        """Steps done."""
        return 0 if self.learning is None else self.learning.state.number

    def missing(self) -> str:
        """Say what has to be painted before anything can be learned; nothing where all is there."""
        try:
            self.strokes.values(foreground=self._config.task == "foreground")
        except InputError as error:
            return str(error)
        return ""

    def begin(self, image: Image, parent: Model | None, *, hold_out: bool) -> list[str]:
        """Decide everything, and make the network; say what was decided."""
        self.strokes.forget_newest()
        setup, network = set_up(image, self._labels, self.strokes, self._config, parent)
        seed = self._config.seed
        held = HeldStrokes.choose(setup.sampler, seed) if hold_out else HeldStrokes()
        learning = Learning.begin(setup, network, self.strokes, held)
        self.results.origin = Origin.of(parent, self._config.from_model, self._labels)
        if parent is None:
            self.learning = learning.calibrated()
        else:
            replayed = finish(read_replayed(parent, setup))
            self.learning = learning.replaying(replayed, self.strokes)
        words = ("\n".join(setup.reasons), held.words, *self.learning.replayed.words)
        return [each for each in words if each]

    def begin_round(self) -> None:
        """Keep what a run begins with."""
        if self.learning is not None:
            self._beginning = Beginning.of(self.learning, self.results)

    def compare_round(self) -> Comparison | None:
        """Compare what the run began with and what is learned now, on what is held out."""
        (beginning, learning) = (self._beginning, self.learning)
        if beginning is None or learning is None:
            return None
        return compare_round(beginning, learning, self.results, self.average)

    def go_back(self) -> bool:
        """Take all steps of the run back; tell whether there was a way."""
        if (beginning := self._beginning) is None:
            return False
        with self.average:
            held = HeldStrokes() if self.learning is None else self.learning.held
            learning = beginning.restored()
            held = held.with_code(learning.setup.data.code)
            # Classes that were painted since then are still there to be learned.
            self.learning, _ = self._with_new_classes(learning.on(self.strokes, held))
        self.results.go_back(beginning.shift)
        self.points = [each for each in self.points if each.step <= beginning.number]
        return True

    def keep_round(self) -> None:
        """Give up the way back, and the memory that it takes."""
        self._beginning = None

    def take_up(self) -> list[str]:
        """Let strokes that were painted or erased meanwhile join the next batches."""
        learning = self.learning
        assert learning is not None  # it has begun
        boxes = self.strokes.take_up(self.step_number)
        if not boxes and not self.strokes.let_age(self.step_number):
            return []
        held, said = _given_up(learning.held, boxes, timed=self._labels.timed)
        learning, widened = self._with_new_classes(learning)
        learning = learning.on(self.strokes, held.with_code(learning.setup.data.code))
        if not learning.learnable and held.volumes:  # those that are left are needed to learn from
            learning = learning.on(self.strokes, HeldStrokes())
        if widened or not learning.learnable:
            self.stop_batches()
        with self.average:
            self.learning = learning
        if not learning.learnable:
            said.append(self.missing() or "Paint strokes of a second class.")
        return said + widened

    def step(self) -> Progress:
        """Make a step, and what is due after it.

        Raises
        ------
        Diverged
            The step was not made.
        """
        learning = self.learning
        assert learning is not None  # it has begun
        learning.step(self._next_batch(), self.average)
        state, scores = learning.state, {}
        if (state.number - learning.born) % _REVIEW_EVERY == _FIRST_REVIEW:
            scores = self.results.review(learning, self.average)
        if scores or state.number % _POINT_EVERY == 0:
            self.points.append(Point(state.number, state.elapsed, state.loss, scores))
        mean = {"dice": sum(scores.values()) / len(scores)} if scores else {}
        pace = state.pace or state.elapsed / state.number
        metrics = {"loss": state.loss, "steps_per_second": 1 / pace}
        metrics["labelled"] = float(self.strokes.count)
        return Progress("train", state.number, metrics=metrics | mean)

    def stop_batches(self) -> None:
        """End the thread that makes batches; the next step begins another one."""
        if self._batches is not None:
            self._batches.stop()
            self._batches = None
            torch.set_num_threads(self._threads)  # that thread lowered it

    def _with_new_classes(self, learning: Learning) -> tuple[Learning, list[str]]:
        """Widen the network where a class was painted that it lacks."""
        known = learning.setup.data.code
        found = set() if self.missing() else set(self.strokes.values(foreground=known.foreground))
        if found <= set(known.values):
            return learning, []
        values = tuple(sorted(found | set(known.values)))
        code = LabelCode(values, dense=False, foreground=known.foreground)
        learning = learning.with_classes(code, self.strokes)
        names = [c.name for c in learning.setup.classes if c.value not in known.values]
        return learning, [f"new in the training: {', '.join(names)}"]

    def _next_batch(self) -> Batch:
        if self._batches is None:
            self._threads = torch.get_num_threads()
            self._batches = Prefetch(self._make_batch, self.step_number)
        return self._batches.next()

    def _make_batch(self, number: int) -> Batch:
        """Make a batch of the strokes that are there now."""
        assert self.learning is not None  # it has begun
        return self.learning.batch(number)


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
