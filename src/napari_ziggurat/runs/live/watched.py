"""What is seen of a live training: snapshots of its model, and the points of its curves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_ziggurat.networks import Model

__all__ = ["Point", "Snapshot"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A model of a training that goes on.

    Attributes
    ----------
    step : int
        Steps that it has learned for.
    model : Model
        On the CPU, in evaluation mode; nothing changes it.
    """

    step: int
    model: Model


@dataclass(frozen=True)
class Point:
    """One point of the curves.

    Attributes
    ----------
    step : int
    seconds : float
        Of training.
    loss : float
        Mean over the last steps.
    scores : mapping of str to float
        Dice by class name on held-out strokes; empty where it was not measured.
    """

    step: int
    seconds: float
    loss: float
    scores: Mapping[str, float] = field(default_factory=dict)
