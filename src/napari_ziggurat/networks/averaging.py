"""Averaging: a network that sees each window several times, changed, and gives the mean.

Known as test-time augmentation. Whoever uses it sees a network like any other.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.shapes import probabilities
from napari_ziggurat.networks.views import View

__all__ = ["AveragedNetwork"]

_MODES = {2: "bilinear", 3: "trilinear"}
_SMALLEST = torch.finfo(torch.float32).tiny
_CERTAIN = 1e-6  # from which on a logit in float32 tells no more


class AveragedNetwork(nn.Module):
    """Gives logits whose probabilities are the mean of those over views.

    Of classes it is the logarithm of the mean, of shape channels the logit.

    Parameters
    ----------
    network : Module
        Gives logits of the size of its input, in evaluation mode.
    views : sequence of View
        Summed in this order in float32, each window by itself.
    shapes : int
        Shape channels after those of the classes.
    """

    def __init__(self, network: nn.Module, views: Sequence[View], shapes: int = 0) -> None:
        super().__init__()
        self.network = network
        self.views = tuple(views)
        self.shapes = shapes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to log-probabilities (N, outputs, (Z), Y, X), float32."""
        total = self._probabilities(self.views[0], x)
        for view in self.views[1:]:
            total = total + self._probabilities(view, x)
        mean = total / len(self.views)
        logits = mean.clamp_min(_SMALLEST).log()
        if self.shapes:
            logits[:, -self.shapes :] = mean[:, -self.shapes :].logit(eps=_CERTAIN)
        return logits

    def _probabilities(self, view: View, x: torch.Tensor) -> torch.Tensor:
        shape = x.shape[2:]
        size = [max(1, round(n * z)) for n, z in zip(shape, view.zoom, strict=True)]
        changed = _resampled(_flipped(x, view.flips), size)
        found = probabilities(self.network(changed).float(), self.shapes, dim=1)
        return _flipped(_resampled(found, shape), view.flips)


def _flipped(x: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    return x.flip([2 + axis for axis in axes]) if axes else x


def _resampled(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    if list(x.shape[2:]) == list(size):
        return x
    # Not in bfloat16, in which positions between voxels would be coarse.
    fine = functional.interpolate(x.float(), tuple(size), mode=_MODES[x.ndim - 2])
    return fine.to(x.dtype)
