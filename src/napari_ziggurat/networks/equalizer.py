"""Scale equalizer: features that are fused get mean 0 and variance 1 (arXiv 2402.01149).

A fusion computes ``y = w1 x1 + w2 x2 + b``, so the gradient of a branch follows ``E[x_i^2]``. A
branch that has been resized, or comes out of a transposed convolution, has a smaller variance and
learns more slowly. Equalizers take that away with two numbers per branch, measured on the data.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["Moments", "ScaleEqualizer"]

_SMALLEST_STD = 1e-6


@dataclass
class Moments:
    """Mean and variance of a stream of numbers, merged as Chan, Golub and LeVeque (1983) do."""

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared deviations from the mean

    def add(self, x: torch.Tensor) -> None:
        """Take in a batch."""
        place = "cpu" if x.device.type == "mps" else x.device  # which has no float64
        values = x.detach().to(place, torch.float64)
        count, mean = values.numel(), float(values.mean())
        squares = float((values - mean).square().sum())
        total, apart = self.count + count, mean - self.mean
        self.squares += squares + apart**2 * self.count * count / total
        self.mean += apart * count / total
        self.count = total

    @property
    def std(self) -> float:
        """Standard deviation; 1 where nothing varies, so that nothing is blown up later."""
        std = math.sqrt(self.squares / max(1.0, self.count))
        return std if std > _SMALLEST_STD else 1.0


class ScaleEqualizer(nn.Module):
    """``(x - mean) / std`` with one pair of numbers for the whole data set.

    The identity until it is calibrated; then the numbers stay, and are saved with the weights:
    following the data of each batch would be a batch norm.
    """

    mean: torch.Tensor
    std: torch.Tensor
    channels: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))
        self.register_buffer("channels", torch.zeros((), dtype=torch.int64))
        self.observed: Moments | None = None  # while it is calibrated

    @property
    def calibrated(self) -> bool:
        """The numbers were measured."""
        return int(self.channels) > 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Equalize a feature of any shape (N, C, ...)."""
        if self.observed is not None:
            self.observed.add(x)
            self.channels.fill_(x.shape[1])
        return (x - self.mean) / self.std

    def observe(self) -> None:
        """Forget the numbers and begin to measure."""
        self.reset()
        self.observed = Moments()

    def freeze(self) -> None:
        """Take over what was measured."""
        if self.observed is None or not self.observed.count:
            raise RuntimeError("an equalizer is frozen that has seen nothing")
        self.mean.fill_(self.observed.mean)
        self.std.fill_(self.observed.std)
        self.observed = None

    def reset(self) -> None:
        """Become the identity again."""
        self.mean.zero_()
        self.std.fill_(1.0)
        self.channels.zero_()
