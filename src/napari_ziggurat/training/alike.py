"""Alike: neighbours that look alike are of the same class, so borders lie where the image has some.

Strokes keep away from borders, and nothing else tells a network where they are: it puts them in the
middle between the strokes of two classes. A Potts penalty with weights from the image (regularised
losses, arXiv 1803.09569; gated CRF loss, arXiv 1906.04651) lets a class go on from a stroke to
where the image changes.
"""

import torch
from torch.nn import functional

__all__ = ["alike_loss"]

# Pairs at these distances, in voxels, in four directions of each plane.
_DISTANCES = (1, 2, 4)
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def alike_loss(logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Probability that two neighbours in a plane are of different classes, where they look alike.

    How much two voxels look alike is ``exp(-d / (2 * m))``: d is their squared difference, summed
    over the channels, m its mean over the patch. So neither the units of the image nor its contrast
    matter. Noise is averaged over three voxels before.

    Parameters
    ----------
    logits : (N, C, (Z), Y, X) tensor
        On the grid of the image.
    image : (N, channels, (Z), Y, X) tensor
        With its grey values as they are, not as augmentation changed them.

    Returns
    -------
    scalar tensor
        Mean over all pairs.
    """
    chances, smooth = logits.float().softmax(dim=1), _smooth(image)
    losses = [
        _differ(chances, smooth, distance * y, distance * x)
        for distance in _DISTANCES
        for y, x in _DIRECTIONS
        if distance < min(image.shape[-2:])
    ]
    return torch.stack(losses).mean() if losses else logits.sum() * 0.0


def _smooth(image: torch.Tensor) -> torch.Tensor:
    """Mean over three by three voxels of each plane."""
    planes = image.flatten(0, -3)[:, None]
    means = functional.avg_pool2d(planes, 3, stride=1, padding=1, count_include_pad=False)
    return means.view(image.shape)


def _differ(chances: torch.Tensor, smooth: torch.Tensor, y: int, x: int) -> torch.Tensor:
    """Mean over the pairs of voxels that lie (y, x) apart."""
    squares = (_first(smooth, y, x) - _second(smooth, y, x)).square().sum(dim=1)
    usual = squares.flatten(1).mean(dim=1).clamp_min(1e-12)
    look_alike = torch.exp(-squares / (2 * usual.view(-1, *[1] * (squares.ndim - 1))))
    same = (_first(chances, y, x) * _second(chances, y, x)).sum(dim=1)
    return (look_alike * (1 - same)).mean()


def _first(voxels: torch.Tensor, y: int, x: int) -> torch.Tensor:
    """Give the first voxel of each pair; y is never negative."""
    height, width = voxels.shape[-2:]
    return voxels[..., : height - y, max(0, -x) : width - max(0, x)]


def _second(voxels: torch.Tensor, y: int, x: int) -> torch.Tensor:
    height, width = voxels.shape[-2:]
    return voxels[..., y:height, max(0, x) : width - max(0, -x)]
