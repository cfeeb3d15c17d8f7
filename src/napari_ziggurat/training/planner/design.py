"""Design: what a planner is told, and what it decides."""

from dataclasses import dataclass

from napari_ziggurat.networks.config import Topology

__all__ = ["Design", "Machine", "Wishes"]


@dataclass(frozen=True)
class Machine:
    """What the training may use.

    Attributes
    ----------
    gpu : bool
        There is a GPU; larger patches and wider networks pay.
    memory : int
        Bytes that a training step may take.
    """

    gpu: bool
    memory: int


@dataclass(frozen=True)
class Wishes:
    """What a person decided; None leaves it to the planner."""

    dims: int | None = None
    patch: tuple[int, ...] | None = None
    batch: int | None = None
    depth: int | None = None
    features: int | None = None


@dataclass(frozen=True)
class Design:
    """Shapes of everything, in the axes of the image, with the reasons in words.

    Attributes
    ----------
    patch, window, rim : tuple of int
        Training patch; inference window and the context around its cell.
    batch : int
        Patches per step.
    features : tuple of int
        Channels per level.
    strides, kernels : tuple of tuple of int
        Per level, in the axes of the network.
    reasons : tuple of str
        One sentence per decision.
    step_bytes : int
        Memory that a training step takes on the CPU, about.
    """

    dims: int
    patch: tuple[int, ...]
    batch: int
    features: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]
    window: tuple[int, ...]
    rim: tuple[int, ...]
    in_plane: bool
    reasons: tuple[str, ...]
    step_bytes: int

    def topology(self, in_channels: int, out_channels: int) -> Topology:
        """Give the pyramid for a network with these inputs and outputs."""
        return Topology(
            dims=2 if self.dims == 2 else 3,
            in_channels=in_channels,
            out_channels=out_channels,
            features=self.features,
            strides=self.strides,
            kernels=self.kernels,
        )
