"""Surround: a wider, coarser view of the same place that a network sees beside each window.

HookNet (van Rijthoven 2020, arXiv 2006.12230): a second branch looks at the surroundings, and what
it finds at the place of the window joins the coarsest feature of the first.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from napari_ziggurat.geometry import SurroundGrids
from napari_ziggurat.networks.parts import EncoderConfig, Style
from napari_ziggurat.networks.topology import AxisValues, Strict, Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks.surround_branch import SurroundBranch

__all__ = ["SurroundConfig"]


class SurroundConfig(Strict):
    """A branch over the surroundings, with an encoder of the network's kind and the neck of U-Net.

        surroundings   level k of the image's grid -> encoder -> neck, up to the grid of the hook
        image          encoder -> context -> coarsest feature, joined with the hook -> neck -> head

    Attributes
    ----------
    level : int
        Level of the pyramid whose grid the surroundings are seen on; 0 is that of the image.
    """

    level: int = Field(2, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        if not isinstance(value, Mapping | SurroundConfig):
            raise ValueError(f"surround cannot be '{value}': it is a mapping with a level, such as "
                             "{level: 2}")  # fmt: skip
        if isinstance(value, Mapping) and (unknown := [k for k in value if k != "level"]):
            raise ValueError(f"surround has no setting '{unknown[0]}'; it has level")
        return value

    def check(self, topology: Topology, encoder: EncoderConfig) -> None:
        """Raise ValueError, in words, where there is no such level or the encoder has no room."""
        if topology.levels < 2:
            raise ValueError(
                "surroundings are seen on the grid of a coarser level, and this pyramid has one "
                "level; ask for more levels, or for a network without a surround"
            )
        if self.level >= topology.levels:
            raise ValueError(
                f"surround level {self.level} is none of the coarser levels of this pyramid, which "
                f"are 1 to {topology.levels - 1}; give one of them, or ask for more levels"
            )
        if all(step == 1 for step in topology.ratio(0, self.level)):
            raise ValueError(
                f"level {self.level} of this pyramid has the grid of the image, so its "
                "surroundings would be no wider; give a coarser surround level"
            )
        encoder.check(self.topology(topology))

    def topology(self, fine: Topology) -> Topology:
        """Give the pyramid of the branch: the levels from here on, the last step repeated."""
        last = (1,) * self.level
        return Topology(
            dims=fine.dims,
            in_channels=fine.in_channels,
            out_channels=fine.out_channels,
            features=fine.features,
            strides=(
                (1,) * fine.dims, *fine.strides[self.level + 1 :], *(fine.strides[-1] for _ in last)
            ),
            kernels=(*fine.kernels[self.level :], *(fine.kernels[-1] for _ in last)),
        )  # fmt: skip

    def hook_level(self, fine: Topology) -> int:
        """Tell which level of the branch has the grid of the network's coarsest feature."""
        return fine.levels - 1 - self.level

    def hook_channels(self, fine: Topology) -> int:
        """Channels of the hook feature."""
        return fine.features[self.hook_level(fine)]

    def grids(self, fine: Topology) -> SurroundGrids:
        """Give the grids of image, surroundings and hook, along the axes of the network."""
        stride: AxisValues = self.topology(fine).total_stride
        return SurroundGrids(fine.ratio(0, self.level), fine.total_stride, stride)

    def build(self, fine: Topology, style: Style, encoder: EncoderConfig) -> "SurroundBranch":
        """Make the branch."""
        from napari_ziggurat.networks.surround_branch import SurroundBranch

        return SurroundBranch(self.topology(fine), style, encoder, self.hook_level(fine))
