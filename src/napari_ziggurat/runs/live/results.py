"""Results: what is made of a live training without stopping it: snapshots, scores, a model."""

import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ziggurat.errors import ExistsError
from napari_ziggurat.networks import Model, save_model
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.progress import Progress, Run, finish
from napari_ziggurat.runs.live.learning import Learning
from napari_ziggurat.runs.live.record import Origin, record_live
from napari_ziggurat.runs.live.watched import Snapshot
from napari_ziggurat.runs.output.place import make_folder
from napari_ziggurat.runs.train.corrections import Correction, correct_shares
from napari_ziggurat.runs.train.result import TrainResult
from napari_ziggurat.runs.train.spec import spec_of
from napari_ziggurat.training.loop import STATISTICS_BATCHES, Batch, Trainee

if TYPE_CHECKING:
    import torch

    from napari_ziggurat.training.sampling import Sampler

__all__ = ["Results"]

_TOO_FEW = "too few steps to estimate how common the classes are"
_FEW = 4  # batches that the statistics of a snapshot are of

Guard = AbstractContextManager[object]
"""Held while averaged weights change or are copied."""


class Results:
    """Makes models of what is learned; every one is a copy, and the training goes on.

    Attributes
    ----------
    origin : Origin or None
        Where the training comes from; None before it has begun.
    shift : tensor or None
        How common the classes were last estimated to be.
    """

    def __init__(self) -> None:
        self.origin: Origin | None = None
        self.shift: torch.Tensor | None = None
        self._last: Snapshot | None = None
        self._plain: tuple[Sampler, list[Batch]] | None = None
        self._saved: set[Path] = set()
        self._making = threading.Lock()

    def go_back(self, shift: "torch.Tensor | None") -> None:
        """Forget what was made of steps that are taken back."""
        with self._making:
            (self._last, self.shift) = (None, shift)

    def snapshot(self, learning: Learning, guard: Guard) -> Snapshot:
        """Give a model with the statistics of a few batches; the last one if no step was made."""
        with self._making:
            with guard:
                step = learning.state.number
                if self._last is not None and self._last.step == step:
                    return self._last
                network = learning.average()
            self._settle(learning, network, self.shift)
            facts = {"steps": step, "seconds": round(learning.state.elapsed, 1)}
            self._last = Snapshot(step, Model(spec_of(learning.setup, facts), network.cpu()))
            return self._last

    def review(self, learning: Learning, guard: Guard) -> dict[str, float]:
        """Estimate how common the classes are, and score on what is held out: Dice by class."""
        with guard:
            network = learning.average()
        with self._making:
            self._settle(learning, network, self.shift)
        if learning.sure:
            held = learning.held.as_blocks(learning.setup)
            finish(correct_shares(_with(learning, network), learning.setup, held))
            self.shift = network.shift.clone()
        return learning.held.score(network, learning.setup)

    def save(
        self, learning: Learning, guard: Guard, out: Path, overwrite: bool
    ) -> Run[TrainResult]:
        """Save a model with everything that `train` makes."""
        if (out / "model.json").exists() and not overwrite and out not in self._saved:
            raise ExistsError(
                f"'{out}' holds a model already. Save to another folder, or say overwrite=True to "
                "replace it."
            )
        make_folder(out)
        state = learning.state
        with guard:
            network, steps = learning.average(), state.number
            seconds, loss = state.elapsed, state.loss
        yield Progress("save", message="measuring what the model needs")
        learning.settled(network, learning.plain_batches(STATISTICS_BATCHES))
        held = learning.held.as_blocks(learning.setup)
        if learning.sure:
            corrected = yield from correct_shares(_with(learning, network), learning.setup, held)
        else:
            corrected = Correction(words=(_TOO_FEW,))
            yield Progress("save", message=_TOO_FEW)
        scores = learning.held.score(network, learning.setup)
        result = TrainResult(
            str(out), steps, seconds, loss, scores, corrected.shares, corrections=corrected.words
        )
        assert self.origin is not None  # it has begun
        rounds = yield from record_live(self.origin, learning, network, result)
        spec = spec_of(learning.setup, result.as_dict(), rounds=rounds)
        save_model(Model(spec, network), out)
        self._saved.add(out)
        yield Progress("save", 1, 1)
        return result

    def settle(
        self, learning: Learning, network: SegmentationNetwork, shift: "torch.Tensor | None"
    ) -> None:
        """Let a copy predict, as it is shown."""
        with self._making:
            self._settle(learning, network, shift)

    def _settle(
        self, learning: Learning, network: SegmentationNetwork, shift: "torch.Tensor | None"
    ) -> None:
        """Give a copy the statistics of a few batches, which are read once for the same strokes."""
        sampler = learning.trainee.sampler
        if self._plain is None or self._plain[0] is not sampler:
            self._plain = (sampler, learning.plain_batches(_FEW))
        learning.settled(network, self._plain[1])
        if shift is not None and len(shift) == len(network.shift):
            network.shift.copy_(shift)


def _with(learning: Learning, network: SegmentationNetwork) -> Trainee:
    return replace(learning.trainee, network=network)
