"""No neck: heads read the encoder's features."""

from collections.abc import Sequence

import torch

from napari_ziggurat.networks.contracts import Neck

__all__ = ["NoNeck"]


class NoNeck(Neck):
    """Hands on what it is given; its ``channels`` are those of the encoder."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map features to themselves."""
        return features
