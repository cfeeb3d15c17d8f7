"""Train plan: what a training would decide, why, and what it would take, without training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from napari_ziggurat.networks import load_model
from napari_ziggurat.networks.device import resolve_device
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.command import as_shell, command_words
from napari_ziggurat.runs.config import PlanConfig, TrainConfig
from napari_ziggurat.runs.plan.cost import gigabytes
from napari_ziggurat.runs.setup.step_probe import StepCost, measure_step, with_batch_that_fits
from napari_ziggurat.runs.setup.train_setup import TrainSetup, prepare

__all__ = ["TrainPlan", "plan_training"]


@dataclass(frozen=True)
class TrainPlan:
    """What a training would decide and take.

    Attributes
    ----------
    decided : mapping
        Shapes and parts by name.
    reasons : tuple of str
        Every decision in words.
    cost : StepCost
        Measured.
    steps : int or None
        About how many steps the training has time for; None where it ends after steps.
    command : tuple of str
        What trains so.
    """

    decided: Mapping[str, Any]
    reasons: tuple[str, ...]
    cost: StepCost
    steps: int | None
    command: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Give the plan as JSON can hold it."""
        return {
            **self.decided,
            "reasons": list(self.reasons),
            "step": asdict(self.cost),
            "steps": self.steps,
            "command": list(self.command),
        }

    def render(self) -> str:
        """Say what was decided, why, and which command trains so."""
        cost = self.cost
        step = (
            f"a step takes {cost.seconds:.2g} s and {gigabytes(cost.memory)} "
            f"with {cost.parameters / 1e6:.1f} million parameters (measured)"
        )
        many = [] if self.steps is None else [f"about {self.steps:,} steps in the time there is"]
        lines = [f"  {line}" for line in (*self.reasons, step, *many)]
        return "\n".join((*lines, as_shell(self.command)))


def plan_training(config: PlanConfig) -> Run[TrainPlan]:
    """Decide everything that a training decides, and make two steps to see what they take.

    Returns
    -------
    TrainPlan
        As the generator's value; nothing is written.

    Raises
    ------
    ZigguratError
        As `train` would: something does not fit, or the memory does not suffice.
    """
    device = resolve_device(config.device)
    parent = None if config.from_model is None else load_model(config.from_model)
    yield Progress("prepare", message="reading images and labels")
    setup = yield from prepare(_training(config), device, parent, None)
    yield Progress("probe", message="making two training steps")
    setup = with_batch_that_fits(setup, device)
    cost = measure_step(setup, device, setup.shape.batch)
    return TrainPlan(
        _decided(setup),
        setup.reasons,
        cost,
        None if config.minutes is None else round(config.minutes * 60 / cost.seconds),
        tuple(command_words(_training(config), "ziggurat", "train")),
    )


def _training(config: PlanConfig) -> TrainConfig:
    """Give the training that is planned."""
    said = {field: getattr(config, field) for field in config.model_fields_set}
    return TrainConfig.model_validate({**said, "out": config.out})


def _decided(setup: TrainSetup) -> dict[str, Any]:
    shape = setup.shape
    return {
        "level": setup.data.volumes[0].level,
        "network": setup.network.name,
        "dims": shape.dims,
        "patch": list(shape.patch),
        "batch": shape.batch,
        "features": list(shape.features),
        "strides": [list(each) for each in shape.strides],
        "kernels": [list(each) for each in shape.kernels],
        "window": list(shape.window),
        "rim": list(shape.rim),
        "classes": {c.name: c.value for c in setup.classes},
    }
