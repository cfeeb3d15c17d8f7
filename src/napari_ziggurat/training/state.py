"""State: an unfinished training on disk, so that the same command goes on where it stopped."""

import json
import math
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from napari_ziggurat.training.teacher import Teacher

__all__ = ["TrainingState"]

_LOSSES = 50  # the mean loss is over so many steps
_PACED, _LEAST_PACED = 25, 3  # steps that tell the pace


@dataclass
class TrainingState:
    """Parameters, their average and the optimiser's moments, with what was done so far.

    Attributes
    ----------
    network, kept, optimiser
        The objects whose tensors are saved and restored.
    teacher : Teacher or None
        Of unlabelled voxels; what it remembers is saved with ``kept``.
    number : int
        Steps done.
    elapsed : float
        Seconds of training done.
    losses, paces : deque of float
        Losses and seconds of the last steps.
    """

    network: nn.Module
    kept: AveragedModel
    optimiser: torch.optim.Optimizer
    teacher: Teacher | None = None
    number: int = 0
    elapsed: float = 0.0
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=_LOSSES))
    paces: deque[float] = field(default_factory=lambda: deque(maxlen=_PACED))

    @property
    def loss(self) -> float:
        """Mean loss of the last steps; NaN before the first."""
        return sum(self.losses) / len(self.losses) if self.losses else math.nan

    @property
    def pace(self) -> float:
        """Typical seconds of a step; 0 while too few steps are done to tell."""
        return statistics.median(self.paces) if len(self.paces) >= _LEAST_PACED else 0.0

    def save(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Write everything to one file that appears when it is whole."""
        facts = {
            "number": self.number,
            "elapsed": self.elapsed,
            "losses": list(self.losses),
            "paces": list(self.paces),
            "settings": dict(settings),
        }
        part = path.with_suffix(".part")
        tensors = {name: value.detach().cpu().contiguous() for name, value in self._tensors()}
        save_file(tensors, part, {"facts": json.dumps(facts)})
        part.replace(path)

    def load(self, path: Path) -> None:
        """Take everything back from a file that `save` wrote with the same network."""
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            self._make_moments()
            saved = set(file.keys())
            with torch.no_grad():
                for name, value in self._tensors():
                    # A parameter without a gradient, in a branch that is used in part, has none.
                    if name in saved or not name.startswith("optimiser."):
                        value.copy_(file.get_tensor(name))
        self.number, self.elapsed = facts["number"], facts["elapsed"]
        self.losses.extend(facts["losses"])
        self.paces.extend(facts["paces"])

    @staticmethod
    def settings(path: Path) -> dict[str, Any]:
        """Read the settings of the training that a file belongs to."""
        with safe_open(path, framework="pt") as file:
            found: dict[str, Any] = json.loads(file.metadata()["facts"])["settings"]
        return found

    def _tensors(self) -> list[tuple[str, torch.Tensor]]:
        """Give every tensor under a name; they are the live ones."""
        moments = [
            (f"optimiser.{number}.{name}", value)
            for number, parameter in enumerate(self._parameters())
            for name, value in sorted(self.optimiser.state[parameter].items())
        ]
        return [
            *((f"network.{k}", v) for k, v in self.network.state_dict().items()),
            *((f"kept.{k}", v) for k, v in self.kept.state_dict().items()),
            *moments,
        ]

    def _make_moments(self) -> None:
        """Make the optimiser create its moments, so that there is something to copy into."""
        for parameter in self._parameters():
            self.optimiser.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]
