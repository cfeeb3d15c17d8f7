"""Learning: the network of a live training with the strokes it learns from, step by step."""

import copy
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import cast

from napari_ziggurat.images.class_names import named_classes
from napari_ziggurat.networks import Model
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.norms import reestimate_statistics
from napari_ziggurat.runs.live.held import HeldStrokes
from napari_ziggurat.runs.live.replay import Replayed
from napari_ziggurat.runs.live.start import widened
from napari_ziggurat.runs.live.strokes import Strokes
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.runs.train.spec import spec_of
from napari_ziggurat.training.augment import Augmentation
from napari_ziggurat.training.equalize import calibrate_on_patches, is_equalized
from napari_ziggurat.training.live_volume import LiveVolume
from napari_ziggurat.training.loop import Batch, Trainee, advance, begin, make_batch, set_rate
from napari_ziggurat.training.newest import NewestSampler
from napari_ziggurat.training.state import TrainingState
from napari_ziggurat.training.volumes import LabelCode

__all__ = ["Learning"]

_HALF = 1000  # steps after which half of the decay of the learning rate is done
_DECAY = 0.7  # of the cosine: the rate falls to a fifth, and never to nothing
# The average is over the last hundred steps or so, so that a correction shows soon.
_MOST_AVERAGED = 900
# Steps after which the shares of the classes can be estimated: what is not told from others yet
# would be taken for rare, or for all there is.
_SURE = 200
_PLAIN = 2**31  # number of the first batch that training never reaches


@dataclass(frozen=True, eq=False)
class Learning:
    """What learns at a time; replaced as a whole when strokes or classes change.

    Attributes
    ----------
    setup : TrainSetup
    trainee : Trainee
        Its sampler draws from the strokes as they are now.
    state : TrainingState
        Changes with each step.
    held : HeldStrokes
    born : int
        Step before which this network had other classes, or was none.
    taught : bool
        It goes on from a model.
    replayed : Replayed
        What that model was trained on.
    """

    setup: TrainSetup
    trainee: Trainee
    state: TrainingState
    held: HeldStrokes
    born: int = 0
    taught: bool = False
    replayed: Replayed = field(default_factory=Replayed)

    @classmethod
    def begin(
        cls, setup: TrainSetup, network: SegmentationNetwork, strokes: Strokes, held: HeldStrokes
    ) -> "Learning":
        """Make everything ready for the first step."""
        device = next(network.parameters()).device
        augmentation = Augmentation(setup.symmetry)
        sampler = _sampler(setup, strokes, held)
        trainee = Trainee(network, sampler, augmentation, setup.recipe, device)
        return cls(setup, trainee, begin(trainee), held)

    def calibrated(self) -> "Learning":
        """Measure the scale equalizers of a fresh network, if it has any."""
        if is_equalized(self.trainee.network):
            into_weights = getattr(self.setup.network, "equalize", "off") == "initialisation"
            calibrate_on_patches(self.trainee, into_weights=into_weights)
            return replace(self, state=begin(self.trainee))
        return self

    @property
    def sure(self) -> bool:
        """Whether it has learned for long enough to tell how common the classes are."""
        return self.taught or self.state.number - self.born >= _SURE

    @property
    def learnable(self) -> bool:
        """Whether strokes of two classes are there."""
        return len(self.trainee.sampler.index.positions) > 1

    def on(self, strokes: Strokes, held: HeldStrokes) -> "Learning":
        """Go on with the strokes as they are now."""
        sampler = self.replayed.beside(_sampler(self.setup, strokes, held), self.setup)
        return replace(self, trainee=replace(self.trainee, sampler=sampler), held=held)

    def replaying(self, replayed: Replayed, strokes: Strokes) -> "Learning":
        """Go on with labels of earlier rounds beside the strokes."""
        return replace(self, replayed=replayed, taught=True).on(strokes, self.held)

    def with_classes(self, code: LabelCode, strokes: Strokes) -> "Learning":
        """Go on with more classes, from the averaged weights and with a new optimiser."""
        model = widened(Model(spec_of(self.setup, {}), self.average()), code)
        volumes = [replace(each, code=code) for each in self.setup.data.volumes]
        classes = named_classes(volumes[0].labels, code.values)
        data = replace(self.setup.data, code=code, volumes=volumes, classes=classes)
        sampler = replace(self.setup.sampler, volumes=volumes)
        setup = replace(self.setup, data=data, sampler=sampler, network=model.spec.network)
        held = self.held.with_code(code)
        sampler = self.replayed.beside(_sampler(setup, strokes, held), setup)
        trainee = replace(self.trainee, network=model.network, sampler=sampler)
        state, old = begin(trainee), self.state
        state.number, state.elapsed = old.number, old.elapsed
        return Learning(setup, trainee, state, held, old.number, replayed=self.replayed)

    def batch(self, number: int) -> Batch:
        """Make the batch of a step."""
        trainee = self.trainee
        return make_batch(trainee.sampler, trainee.augmentation, trainee.recipe, number)

    def plain_batches(self, count: int) -> list[Batch]:
        """Make batches of patches as inference meets them; always the same for the same strokes."""
        trainee = self.trainee
        return [
            make_batch(trainee.sampler, None, trainee.recipe, _PLAIN + number)
            for number in range(count)
        ]

    def step(self, batch: Batch, guard: AbstractContextManager[object]) -> None:
        """Make one step.

        Raises
        ------
        Diverged
            The step was not made.
        """
        state, began = self.state, time.monotonic()
        done = state.number - self.born
        set_rate(
            state.optimiser, self.trainee.recipe.learning_rate, done, _DECAY * done / (done + _HALF)
        )
        # Class weights are those of the end of a training: there is no telling when it ends.
        advance(self.trainee, state, batch, 1.0, guard)
        state.kept.n_averaged.clamp_(max=_MOST_AVERAGED)
        state.number += 1
        state.elapsed += time.monotonic() - began
        state.paces.append(time.monotonic() - began)

    def average(self) -> SegmentationNetwork:
        """Copy the network with its averaged weights; its statistics are not theirs yet."""
        return copy.deepcopy(cast("SegmentationNetwork", self.state.kept.module))

    def settled(self, network: SegmentationNetwork, batches: Sequence[Batch]) -> None:
        """Give a copy the statistics of its norms, and let it predict."""
        reestimate_statistics(network, (each.inputs(self.trainee.device) for each in batches))
        network.eval()


def _sampler(setup: TrainSetup, strokes: Strokes, held: HeldStrokes) -> NewestSampler:
    """Draw from the strokes that are not held out."""
    code, base = setup.data.code, setup.sampler
    newest = strokes.newest(code)
    volumes = [
        replace(each, apart=held.places(each.time)) if isinstance(each, LiveVolume) else each
        for each in base.volumes
    ]
    return NewestSampler(
        volumes,
        base.intensities,
        held.trained_on(strokes.index(code)),
        base.patch,
        base.balanced,
        around=base.around,
        newest=newest and held.trained_on(newest),
    )
