"""Contracts: what the modules of encoders, contexts, necks and heads offer each other."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import nn

__all__ = ["Context", "Encoder", "Head", "Neck", "RecursiveNeck", "StagedEncoder"]

Features = list[torch.Tensor]


class Encoder(nn.Module, ABC):
    """Image -> features with the channels and strides of the topology."""

    @abstractmethod
    def forward(self, x: torch.Tensor) -> Features:
        """Map (N, C, (Z), Y, X) to one feature per level, finest first."""


class StagedEncoder(Encoder):
    """An encoder that can take features back into its stages."""

    @abstractmethod
    def forward(self, x: torch.Tensor, feedback: Sequence[torch.Tensor] = ()) -> Features:
        """Map an image as `Encoder` does; feedback, if any, is added inside the stages."""


class Context(nn.Module, ABC):
    """Coarsest feature -> the same, knowing more of the image."""

    @abstractmethod
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map a feature to one of the same channels and size."""


class Neck(nn.Module, ABC):
    """Features -> features.

    Attributes
    ----------
    channels : tuple of int
        Channels of the outputs, finest and best first.
    """

    channels: tuple[int, ...]

    @abstractmethod
    def forward(self, features: Features) -> Features:
        """Map the encoder's features to outputs, finest and best first."""


class RecursiveNeck(Neck):
    """A neck that has the encoder look at the image again."""

    @abstractmethod
    def refine(self, outputs: Features, again: Callable[[Features], Features]) -> Features:
        """Improve outputs; ``again`` maps feedback, one per level, to encoder features."""


class Head(nn.Module, ABC):
    """Features -> one feature on the finest grid.

    Attributes
    ----------
    channels : int
        Channels of the output.
    """

    channels: int

    @abstractmethod
    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map the neck's outputs to one feature on the grid of the first."""
