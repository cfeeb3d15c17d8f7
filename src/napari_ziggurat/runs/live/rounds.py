"""Round of a live training: where a run began, what it changed on held-out strokes, a way back."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch

from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.runs.live.learning import Learning
from napari_ziggurat.runs.live.results import Guard, Results
from napari_ziggurat.runs.retrain.table import Comparison, compare
from napari_ziggurat.training.rounds import Counts, HeldOut, count_found
from napari_ziggurat.training.state import TrainingState
from napari_ziggurat.training.validation import Look, spread_patches

__all__ = ["Beginning", "compare_round"]


@dataclass(frozen=True, eq=False)
class Beginning:
    """A training as it was when a run began.

    Attributes
    ----------
    learning : Learning
        Its network goes on learning; what it was then is in ``copies``.
    copies : mapping
        State of network, average and optimiser, on the CPU: memory of a GPU is scarce.
    number, elapsed, losses
        As in `TrainingState`.
    shift : tensor or None
        How common the classes were taken to be.
    """

    learning: Learning
    copies: dict[str, Any]
    number: int
    elapsed: float
    losses: tuple[float, ...]
    shift: torch.Tensor | None

    @classmethod
    def of(cls, learning: Learning, results: Results) -> "Beginning":
        """Keep a training as it is now; no step is made meanwhile."""
        state = learning.state
        copies = {name: _on_cpu(part.state_dict()) for name, part in _parts(state)}
        losses = tuple(state.losses)
        return cls(learning, copies, state.number, state.elapsed, losses, results.shift)

    @property
    def taught(self) -> bool:
        """Whether anything was learned by then, here or by the model that it goes on from."""
        return self.number > 0 or self.learning.taught

    def average(self) -> SegmentationNetwork:
        """Make the network with the averaged weights of then; its statistics are not theirs yet."""
        kept = copy.deepcopy(self.learning.state.kept)
        kept.load_state_dict(self.copies["kept"])
        return cast("SegmentationNetwork", kept.module)

    def restored(self) -> Learning:
        """Take weights, average, optimiser and counts back to what they were."""
        state = self.learning.state
        for name, part in _parts(state):
            part.load_state_dict(copy.deepcopy(self.copies[name]))
        state.number, state.elapsed = self.number, self.elapsed
        state.losses.clear()
        state.losses.extend(self.losses)
        return self.learning


def compare_round(
    beginning: Beginning, learning: Learning, results: Results, guard: Guard
) -> Comparison | None:
    """Score what a run began with, and what is learned now, on the strokes that are held out.

    Both are the averaged weights, with statistics of the same patches. Places that were given up
    meanwhile count for neither.

    Returns
    -------
    Comparison or None
        None where too little is held out to tell a number.
    """
    held = learning.held
    if not held.volumes:
        return None
    with guard:
        after = learning.average()
    setup, code = learning.setup, learning.setup.data.code
    results.settle(learning, after, results.shift)
    look = Look(setup.shape.patch, setup.flat, setup.around)
    boxes = list(spread_patches(held.volumes, look.patch))
    names = [str(held.volumes[number].region) for number, _ in boxes]
    places = [(number, box, box) for number, box in boxes]
    scored = HeldOut(held.volumes, held.intensities, places, names, look)
    found = count_found(after, code.values, scored)
    old: dict[str, Counts] = {}
    known: tuple[int, ...] = ()
    if beginning.taught:
        before, known = beginning.average(), beginning.learning.setup.data.code.values
        results.settle(learning, before, beginning.shift)
        old = count_found(before, known, scored)
    comparison = compare(old, found, setup.classes, known)
    return comparison if comparison.told else None


def _parts(state: TrainingState) -> Iterator[tuple[str, Any]]:
    yield from (("network", state.network), ("kept", state.kept), ("optimiser", state.optimiser))


def _on_cpu(value: Any) -> Any:
    """Copy nested states with their tensors."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _on_cpu(each) for key, each in value.items()}
    return [_on_cpu(each) for each in value] if isinstance(value, list) else value
