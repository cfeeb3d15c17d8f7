"""Step probe: what a training step takes on this machine, and how many patches its memory holds."""

import itertools
from contextlib import closing
from dataclasses import dataclass, replace

import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import create_network
from napari_ziggurat.runs.plan.cost import gigabytes
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.runs.watch import MemoryWatch, resident_memory
from napari_ziggurat.training.augment import Augmentation
from napari_ziggurat.training.loop import Budget, Trainee, fit

__all__ = ["StepCost", "measure_step", "with_batch_that_fits"]

_STEPS = 2  # the first also makes what the others use again
_RISKY = 0.25  # of the memory: a step that may take more is tried with one patch before
_FILLED = 0.9  # of the memory: other programs need some meanwhile
_FIXED = 5 * 4  # bytes of a parameter: itself, its gradient, two moments and its average


@dataclass(frozen=True)
class StepCost:
    """What a training step takes.

    Attributes
    ----------
    batch : int
        Patches of the step.
    seconds : float
    memory : int
        Bytes at the same time, on the device that computes; those of the parameters are among them.
    parameters : int
        Numbers that the network learns.
    """

    batch: int
    seconds: float
    memory: int
    parameters: int

    def memory_with(self, batch: int) -> int:
        """Tell about how much memory a step with another number of patches takes."""
        fixed = min(self.memory, _FIXED * self.parameters)
        return fixed + batch * (self.memory - fixed) // self.batch

    def most(self, memory: int) -> int:
        """Tell how many patches so many bytes hold; 0 where one is too much."""
        fixed = min(self.memory, _FIXED * self.parameters)
        each = max(1, (self.memory - fixed) // self.batch)
        return max(0, int(memory - fixed) // each)


def with_batch_that_fits(setup: TrainSetup, device: torch.device) -> TrainSetup:
    """Try a step before the training, and take fewer patches where the memory asks for it.

    On a GPU a step is tried as it is, and with half of its patches until it fits. On the CPU a
    program that takes too much is ended by the system, so that one patch is tried, where the
    planner takes a step for large, and the others are counted.

    Raises
    ------
    InputError
        The memory does not suffice for one patch, or for the batch that was asked for.
    """
    if device.type == "cuda":
        return _with_batch(setup, _most_on_device(setup, device), "the memory of the device")
    memory, risky = setup.machine.memory, setup.shape.step_bytes > _RISKY * setup.machine.memory
    if not risky or setup.shape.step_bytes > setup.shape.batch * memory:
        return setup  # the planner has told what is too large with one patch
    one = measure_step(setup, device, 1)
    need = gigabytes(one.memory_with(setup.shape.batch))
    told = f"{need} of the {gigabytes(memory)} that may be used"
    return _with_batch(setup, one.most(int(_FILLED * memory)), told)


def measure_step(setup: TrainSetup, device: torch.device, batch: int) -> StepCost:
    """Make two training steps with a network that is thrown away."""
    network = create_network(setup.network)
    parameters = sum(p.numel() for p in network.parameters())
    recipe = replace(setup.recipe, batch=batch)
    trainee = Trainee(network, setup.sampler, Augmentation(setup.symmetry), recipe, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        seconds = _time(trainee)
        return StepCost(
            batch, seconds, torch.cuda.max_memory_allocated(device) - before, parameters
        )
    before = resident_memory()
    with MemoryWatch() as watch:
        seconds = _time(trainee)
    return StepCost(batch, seconds, max(0, watch.peak - before), parameters)


def _time(trainee: Trainee) -> float:
    """Make a few steps; give the seconds of the last one."""
    with closing(fit(trainee, Budget(steps=_STEPS + 1))) as steps:
        elapsed = [step.elapsed for step in itertools.islice(steps, _STEPS)]
    return elapsed[-1] - elapsed[-2]


def _most_on_device(setup: TrainSetup, device: torch.device) -> int:
    batch = setup.shape.batch
    while batch:
        try:
            measure_step(setup, device, batch)
        except torch.OutOfMemoryError:
            batch //= 2
        else:
            return batch
        torch.cuda.empty_cache()  # outside of the handler, which holds what failed
    return 0


def _with_batch(setup: TrainSetup, most: int, told: str) -> TrainSetup:
    """Take as many patches as there is memory for, up to those that were decided."""
    batch, patch = setup.shape.batch, " x ".join(map(str, setup.shape.patch))
    if batch <= most:
        return setup
    if most == 0:
        raise InputError(
            f"One patch of {patch} takes more memory than there is for a training step with this "
            "network. Give a smaller --patch or --features, or another --network."
        )
    if setup.config.batch is not None:
        raise InputError(
            f"A training step with --batch {batch} and patches of {patch} takes {told}. Give "
            f"--batch {most}, or a smaller --patch or --features."
        )
    why = f"batch {most} instead of {batch}, which takes {told}: measured"
    shape = replace(setup.shape, batch=most, reasons=(*setup.shape.reasons, why))
    return replace(setup, shape=shape, reasons=(*setup.reasons, why))
