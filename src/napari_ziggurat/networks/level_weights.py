"""Level weights: how much each level of an image counts for each class when levels are fused."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari_ziggurat.errors import InputError

__all__ = ["LevelWeights"]

# Writers round odd lengths, so that levels of one pyramid state 1.98 or 2.02 where 2 is meant.
_NEAR = 0.1

Factors = tuple[float, ...]


@dataclass(frozen=True)
class LevelWeights:
    """Weights of levels that were fitted together.

    Attributes
    ----------
    downsampling : tuple of tuple of float
        Size of a voxel of each level in voxels of the finest, per spatial axis; finest first.
    weights : tuple of tuple of float
        One for each level and class, at least 0; those of a class sum to one.
    """

    downsampling: tuple[Factors, ...]
    weights: tuple[tuple[float, ...], ...]

    def of(self, downsampling: Sequence[Factors]) -> tuple[tuple[float, ...], ...]:
        """Find the weights of levels by their size, whatever their number in their image is.

        Raises
        ------
        InputError
            None were fitted for a level.
        """
        return tuple(self.weights[self._place(factors)] for factors in downsampling)

    def _place(self, wanted: Factors) -> int:
        for place, known in enumerate(self.downsampling):
            if all(abs(w / k - 1) < _NEAR for w, k in zip(wanted, known, strict=True)):
                return place
        fitted = ", ".join(map(_by, self.downsampling))
        raise InputError(
            f"The model has no weights for a level that is {_by(wanted)} times coarser than the "
            f"finest of --levels; it has them for {fitted}. Fit them with 'ziggurat calibrate' and "
            "these --levels, or leave that level out."
        )


def _by(factors: Factors) -> str:
    return " x ".join(f"{factor:.3g}" for factor in factors)
