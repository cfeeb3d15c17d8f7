"""Loop: patches in, better parameters out, as a generator."""

import copy
import math
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.networks.device import bfloat16_trains, channels_last, lay_out
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.norms import reestimate_statistics
from napari_ziggurat.training.alike import alike_loss
from napari_ziggurat.training.augment import Augmentation
from napari_ziggurat.training.losses import class_weights, deep_supervision_loss
from napari_ziggurat.training.pull import Pull, parameter_groups
from napari_ziggurat.training.sampling import Sampler
from napari_ziggurat.training.shape_loss import shape_loss
from napari_ziggurat.training.state import TrainingState
from napari_ziggurat.training.teacher import Teacher, Unlabelled, ramp, unlabelled_loss
from napari_ziggurat.training.zoom import Zoom, draw_zoomed

__all__ = [
    "STATISTICS_BATCHES",
    "Batch",
    "Budget",
    "Diverged",
    "Prefetch",
    "Recipe",
    "Safe",
    "Step",
    "Trainee",
    "advance",
    "begin",
    "fit",
    "make_batch",
    "set_rate",
]

STATISTICS_BATCHES = 32
_UNSEEN = 2**31  # number of the first batch that training never reaches
_SAVE_EVERY = 60.0
_KEPT_DECAY = 0.999
_ANYWHERE = 4  # one of so many patches lies anywhere where unlabelled voxels are learned from
_FORWARD = 0.4  # part of a step's time that a forward pass alone takes


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step learns from.

    Attributes
    ----------
    image : (N, C, (Z), Y, X) float32 tensor
    target : (N, (Z), Y, X) uint8 tensor
        0 ignored.
    coarse : (N, C, (Z), Y, X) float32 tensor or None
        Surroundings, where the network sees them.
    shapes : (N, 2, (Z), Y, X) uint8 tensor or None
        Shape targets, 0 unknown, where they are learned.
    plain_image, plain_coarse : tensors or None
        Both with their grey values as they were, for a teacher.
    """

    image: torch.Tensor
    target: torch.Tensor
    coarse: torch.Tensor | None = None
    shapes: torch.Tensor | None = None
    plain_image: torch.Tensor | None = None
    plain_coarse: torch.Tensor | None = None

    def inputs(self, device: torch.device, *, plain: bool = False) -> tuple[torch.Tensor, ...]:
        """Give what the network is called with, on a device; or what its teacher is."""
        seen = (self.plain_image, self.plain_coarse) if plain else (self.image, self.coarse)
        there = [each for each in seen if each is not None]
        return tuple(channels_last(each.to(device, non_blocking=True)) for each in there)


@dataclass(frozen=True)
class Budget:
    """How long to train: a number of steps, or seconds of wall time. One of the two is set.

    Attributes
    ----------
    steps : int or None
    seconds : float or None
        With what follows the last step: the statistics of the norms and the validation.
    forwards : float
        Forward passes of a batch that follow the last step.
    """

    steps: int | None = None
    seconds: float | None = None
    forwards: float = 0

    def used(self, step: int, elapsed: float, pace: float) -> float:
        """Part of the budget that is used, 0 to 1.

        Parameters
        ----------
        step : int
            Steps done.
        elapsed : float
            Seconds that they took.
        pace : float
            Seconds that a step typically takes; 0 where that is not known yet.
        """
        if self.steps is not None:
            return min(1.0, step / self.steps)
        closing = self.forwards * _FORWARD * pace
        return min(1.0, elapsed / max(1e-9, (self.seconds or 0) - closing))


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    batch : int
        Patches per step.
    flat : bool
        Patches are one section thick and the network is 2D: the axis is dropped.
    learning_rate, weight_decay, clip : float
        AdamW, with warm-up and a cosine to zero; the gradient's norm is clipped.
    seed : int
        Decides every random choice.
    depths : tuple of float
        Weight of the loss at each supervised output, best first; halving where it is empty.
    focal : float
        Gamma of the focal loss; 0 is cross-entropy.
    zoom : Zoom or None
        Scales of the patches; None leaves them as they are.
    unlabelled : Unlabelled or None
        How unlabelled voxels are learned from; None does not.
    alike : float
        Weight by which neighbours that look alike are taken for the same class.
    """

    batch: int
    flat: bool
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    clip: float = 12.0
    seed: int = 0
    depths: tuple[float, ...] = ()
    focal: float = 0.0
    zoom: Zoom | None = None
    unlabelled: Unlabelled | None = None
    alike: float = 0.0

    @property
    def sees_plain(self) -> bool:
        """Whether images are needed with their grey values as they were."""
        return self.unlabelled is not None or self.alike > 0

    @property
    def anywhere(self) -> int:
        """Patches of a batch that lie anywhere, labelled or not."""
        return 0 if self.unlabelled is None else max(1, self.batch // _ANYWHERE)


@dataclass(frozen=True)
class Step:
    """One training step that is done.

    Attributes
    ----------
    number : int
        Counted from the beginning of the training, also after it went on.
    loss : float
        Mean over the last steps.
    used : float
        Part of the budget that is used.
    elapsed : float
        Seconds of training, those before an interruption included.
    """

    number: int
    loss: float
    used: float
    elapsed: float


@dataclass(frozen=True)
class Trainee:
    """What is trained, with what, and where.

    Attributes
    ----------
    network : SegmentationNetwork
        Changed in place.
    sampler, augmentation : Sampler, Augmentation
        Where patches come from.
    recipe : Recipe
    device : torch.device
    pull : Pull or None
        Draws the encoder to the parent that the training goes on from.
    """

    network: SegmentationNetwork
    sampler: Sampler
    augmentation: Augmentation
    recipe: Recipe
    device: torch.device
    pull: Pull | None = None


class Diverged(WorkFailed):
    """The loss or its gradient became NaN or infinite; the network is that of the step before.

    Attributes
    ----------
    step : int
        The step that was not made, counted from 1.
    rate : float
        Its learning rate.
    """

    def __init__(self, step: int, rate: float) -> None:
        super().__init__(
            f"The loss became NaN or infinite at step {step}, at a learning rate of {rate:.3g}. "
            "Train with a lower --learning-rate."
        )
        self.step, self.rate = step, rate


@dataclass(frozen=True)
class Safe:
    """Where an unfinished training is kept, and the settings that it belongs to."""

    path: Path
    settings: Mapping[str, Any]


def fit(trainee: Trainee, budget: Budget, safe: Safe | None = None) -> Generator[Step, None, None]:
    """Train a network in place; what it holds at the end are the averaged parameters.

    With a `Safe`, the training is saved every minute, after its last step and when it is
    interrupted. It goes on from there the next time, and gives the last of the saved steps first.

    Raises
    ------
    Diverged
        After the network was made ready to be saved, as at the end; before the first step as it is.
    """
    state, diverged = begin(trainee), None
    if safe is not None and safe.path.is_file():
        state.load(safe.path)
        yield _told(state, budget)
    try:
        yield from _train(trainee, state, budget, safe)
    except Diverged as error:
        diverged = error
    finally:  # also at Ctrl-C and closing: nothing of the training may be lost
        if safe is not None and state.number:
            state.save(safe.path, safe.settings)
    if state.number:
        _keep(trainee.network, state.kept)
        _reestimate(trainee)
    if diverged is not None:
        raise diverged


def _train(
    trainee: Trainee, state: TrainingState, budget: Budget, safe: Safe | None
) -> Iterator[Step]:
    """Make steps until the budget is used."""
    threads, clock = torch.get_num_threads(), _Clock(state)
    make = partial(make_batch, trainee.sampler, trainee.augmentation, trainee.recipe)
    batches = Prefetch(make, state.number)
    try:
        while (step := _told(state, budget)).used < 1:
            set_rate(state.optimiser, trainee.recipe.learning_rate, state.number, step.used)
            advance(trainee, state, batches.next(), step.used)
            clock.tick()
            yield _told(state, budget)
            if safe is not None and clock.save_is_due():
                state.save(safe.path, safe.settings)
    finally:
        batches.stop()
        torch.set_num_threads(threads)  # the thread that makes batches lowered it


def _told(state: TrainingState, budget: Budget) -> Step:
    """Tell where a training stands."""
    used = budget.used(state.number, state.elapsed, state.pace)
    return Step(state.number, state.loss, used, state.elapsed)


class _Clock:
    """Counts steps and their seconds in a state.

    The first step since the start says nothing of the pace: it also makes what the others use.
    """

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._began = self._saved = time.monotonic()
        self._before = state.elapsed
        self._first = True

    def tick(self) -> None:
        """Count a step that has just ended."""
        state = self._state
        elapsed = self._before + time.monotonic() - self._began
        if not self._first:
            state.paces.append(elapsed - state.elapsed)
        self._first = False
        state.number += 1
        state.elapsed = elapsed

    def save_is_due(self) -> bool:
        """Tell whether the last time that this was true is a minute ago."""
        now = time.monotonic()
        due = now - self._saved > _SAVE_EVERY
        self._saved = now if due else self._saved
        return due


def make_batch(
    sampler: Sampler, augmentation: Augmentation | None, recipe: Recipe, number: int
) -> Batch:
    """Make the batch of a step; it depends on the seed and the number alone."""
    rng = np.random.default_rng((recipe.seed, number))
    first, loose = recipe.anywhere, replace(sampler, everywhere=True)
    samplers = [loose] * first + [sampler] * (recipe.batch - first)
    patches = [_make_patch(each, augmentation, recipe, rng) for each in samplers]
    return Batch(**{k: torch.from_numpy(np.stack([p[k] for p in patches])) for k in patches[0]})


def _make_patch(
    sampler: Sampler, augmentation: Augmentation | None, recipe: Recipe, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Make image and target of one patch, and surroundings where they are seen."""
    patch = _draw_patch(sampler, recipe, rng)
    if recipe.flat:
        patch = {name: each[..., 0, :, :] for name, each in patch.items()}
    if augmentation is not None:
        views = augmentation.views(patch, int(rng.integers(2**31)))
        patch = {name: views[name] for name in views if recipe.sees_plain or name in patch}
    return {name: np.ascontiguousarray(each) for name, each in patch.items()}


def _draw_patch(
    sampler: Sampler, recipe: Recipe, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    if recipe.zoom is not None:
        return draw_zoomed(sampler, recipe.zoom, rng)
    number, box = sampler.place(rng)
    image, target = sampler.read(number, box)
    seen: dict[str, NDArray[Any] | None] = {
        "image": image,
        "target": target,
        "coarse": sampler.read_around(number, box),
        "shapes": sampler.read_shapes(number, box, target),
    }
    return {name: each for name, each in seen.items() if each is not None}


def begin(trainee: Trainee) -> TrainingState:
    """Bring a network to its device; give it an average and an optimiser."""
    network = trainee.network
    lay_out(network.to(trainee.device).train())
    kept = AveragedModel(network, multi_avg_fn=_warming_average)
    recipe = trainee.recipe
    groups = parameter_groups(network, recipe.weight_decay, trainee.pull)
    optimiser = torch.optim.AdamW(groups, recipe.learning_rate, fused=True)
    teacher = None
    if recipe.unlabelled is not None:
        teacher = Teacher(kept, recipe.unlabelled, network.config.topology.out_channels)
    return TrainingState(network, kept, optimiser, teacher)


def advance(
    trainee: Trainee,
    state: TrainingState,
    batch: Batch,
    used: float,
    guard: AbstractContextManager[object] | None = None,
) -> None:
    """Make one step with a batch, and take it into the average.

    Parameters
    ----------
    trainee, state : Trainee, TrainingState
        Of one network; both are changed.
    batch : Batch
        Is learned from.
    used : float
        Part of the training that is done, 0 to 1; class weights shrink with it.
    guard : context manager, optional
        Held while the average changes, where another thread may read it.

    Raises
    ------
    Diverged
        The step was not made.
    """
    loss = _step(trainee, batch, state, used)
    if not math.isfinite(loss):
        rate = max(group["lr"] for group in state.optimiser.param_groups)
        raise Diverged(state.number + 1, rate)
    state.losses.append(loss)
    with guard or nullcontext():
        state.kept.update_parameters(trainee.network)


def _step(trainee: Trainee, batch: Batch, state: TrainingState, used: float) -> float:
    """Make a step and give its loss; NaN, and no step, where its gradient is not finite."""
    network, device, optimiser = trainee.network, trainee.device, state.optimiser
    target = batch.target.to(device, non_blocking=True)
    half = bfloat16_trains(device, network.config.topology.dims)
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        logits = network(*batch.inputs(device))
    weights = torch.tensor(class_weights(trainee.sampler.shares, used), device=device)
    shapes, logits = [e[:, len(weights) :] for e in logits], [e[:, : len(weights)] for e in logits]
    loss = deep_supervision_loss(
        logits,
        target,
        weights,
        depths=trainee.recipe.depths,
        background=trainee.sampler.volumes[0].code.has_background,
        focal=trainee.recipe.focal,
    )
    if batch.shapes is not None:
        codes = batch.shapes.to(device, non_blocking=True)
        loss = loss + shape_loss(shapes, codes, trainee.recipe.depths)
    if (teacher := state.teacher) is not None:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            seen = batch.inputs(device, plain=True)
            labels, shift = teacher.labels(seen, target, weights, trainee.recipe.anywhere)
        more = unlabelled_loss(logits, labels, shift, trainee.recipe.depths)
        loss = loss + teacher.how.weight * ramp(used) * more
    if trainee.recipe.alike:
        seen = batch.inputs(device, plain=True)
        loss = loss + trainee.recipe.alike * alike_loss(logits[0], seen[0])
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if trainee.pull is not None:
        trainee.pull.add_to_gradients(network)
    norm = nn.utils.clip_grad_norm_(network.parameters(), trainee.recipe.clip)
    if not torch.isfinite(norm + loss.detach()):
        return math.nan
    optimiser.step()
    return float(loss.detach())


def set_rate(optimiser: torch.optim.Optimizer, peak: float, step: int, used: float) -> None:
    """Warm up over 50 steps, then follow a cosine to zero at the end of the budget."""
    rate = peak * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * used))
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]


def _warming_average(
    kept: Sequence[torch.Tensor], new: Sequence[torch.Tensor], updates: torch.Tensor | int
) -> None:
    """Exponential average whose memory grows with the training, so that it holds no start."""
    n = int(updates)
    decay = min(_KEPT_DECAY, (1 + n) / (10 + n))
    torch._foreach_lerp_(list(kept), list(new), 1 - decay)


def _keep(network: nn.Module, kept: AveragedModel) -> None:
    state = copy.deepcopy(kept.module.state_dict())
    buffers = {name for name, _ in network.named_buffers()}
    network.load_state_dict({k: v for k, v in state.items() if k not in buffers}, strict=False)


def _reestimate(trainee: Trainee) -> None:
    """Batch-norm statistics of the averaged parameters, on patches as inference meets them."""
    network = trainee.network
    batches = (
        make_batch(trainee.sampler, None, trainee.recipe, _UNSEEN + number)
        for number in range(STATISTICS_BATCHES)
    )
    reestimate_statistics(network, (batch.inputs(trainee.device) for batch in batches))
    network.eval()


class Prefetch:
    """Makes the next batches in a thread while the network computes; in order, two ahead."""

    def __init__(self, make: Callable[[int], Batch], first: int) -> None:
        self._make = make
        self._first = first
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=2)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def next(self) -> Batch:
        """Wait for the next batch; an error in the thread is raised here."""
        item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        while not self._ready.empty():
            self._ready.get_nowait()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        torch.set_num_threads(1)
        number = self._first
        try:
            while not self._stopped.is_set():
                self._put(self._make(number))
                number += 1
        except BaseException as error:
            self._put(error)

    def _put(self, item: Batch | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return
