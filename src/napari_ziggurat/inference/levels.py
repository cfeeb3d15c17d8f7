"""Levels that are predicted: the pyramid levels that outputs of a network belong to."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box

__all__ = ["PredictedLevel", "finest_level", "predicted_levels"]


@dataclass(frozen=True)
class PredictedLevel:
    """A level of the result that an output of the network gives, and no downsampling.

    Attributes
    ----------
    output : int
        Which of the supervised outputs; 0 is the best.
    downsampling : tuple of int
        Ratio of the image's grid to the one of this level, per spatial axis.
    """

    output: int
    downsampling: tuple[int, ...]

    def box(self, fine: Box) -> Box:
        """Voxels of this level that cover a box of the image."""
        start = tuple(a // f for a, f in zip(fine.start, self.downsampling, strict=True))
        stop = tuple(-(-b // f) for b, f in zip(fine.stop, self.downsampling, strict=True))
        return Box(start, stop)


def finest_level(axes: int) -> PredictedLevel:
    """Give the level on the grid of the image, which every network predicts."""
    return PredictedLevel(0, (1,) * axes)


def predicted_levels(
    ratios: Sequence[tuple[int, ...]], axes: int, network: str
) -> tuple[PredictedLevel, ...]:
    """Give the level of each grid that a network has an output on, finest first.

    Of several outputs on one grid the best is taken.

    Parameters
    ----------
    ratios : sequence of tuple of int
        Ratio of the input's grid to that of each output, best first.
    axes : int
        Spatial axes of the image; a network over planes leaves the first as it is.
    network : str
        Its name, for messages.

    Raises
    ------
    InputError
        No output is coarser than the image.
    """
    found = {finest_level(axes).downsampling: 0}
    for output, ratio in enumerate(ratios):
        found.setdefault((1,) * (axes - len(ratio)) + ratio, output)
    if len(found) == 1:
        raise InputError(_refusal(network, len(ratios)))
    return tuple(PredictedLevel(output, ratio) for ratio, output in found.items())


def _refusal(network: str, outputs: int) -> str:
    if outputs == 1:
        return (
            f"Network '{network}' was trained with one output, so there is no coarser one to "
            "write. Leave --all-scales out, or train a network with deep supervision."
        )
    return (
        f"All {outputs} outputs of network '{network}' lie on the grid of the image, so there is "
        "no coarser one to write. Leave --all-scales out; with a UNet++, --depth N gives each "
        "output by itself."
    )
