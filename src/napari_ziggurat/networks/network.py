"""The contract of all networks: pad, compute, crop; in training every supervised output."""

from abc import ABC, abstractmethod
from functools import partial

import torch
from torch import nn

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.blocks import ConvSpec, conv_norm_act, crop, resize
from napari_ziggurat.networks.config import ComposedConfig, NetworkConfig
from napari_ziggurat.networks.contracts import RecursiveNeck
from napari_ziggurat.networks.fusion import CatFuse
from napari_ziggurat.networks.heads.classifiers import Classifiers
from napari_ziggurat.networks.padding import pad_to_grid, pad_to_multiple, pad_to_size

__all__ = ["ComposedNetwork", "SegmentationNetwork", "pad_to_multiple"]


class SegmentationNetwork(nn.Module, ABC):
    """A network for input of any size.

    In training the output is a list of logits, finest and best first, each on the grid of the
    input; in evaluation it is one tensor. The input is padded inside to a multiple of the total
    stride and the logits are cropped: no caller sees the padding.

    A network with a surround sees the surroundings beside the image: given as such, or as the
    feature that its ``surround`` has made of them, cropped to the image.

    Parameters
    ----------
    config : NetworkConfig
        What it is made of.

    Attributes
    ----------
    shift : (classes,) tensor
        Added to the logits in evaluation: zero, or what corrects for classes that are more or
        less common in images than among the voxels it learned from. Saved with the weights.
    """

    shift: torch.Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(config.topology.out_channels))
        self.config = config
        self.stride = config.stride

    @abstractmethod
    def logits(
        self, x: torch.Tensor, wanted: int, hook: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """Compute the first ``wanted`` outputs, best first, each on a grid of its own.

        The input is a multiple of the total stride along each axis; the hook feature, where the
        network has a surround, covers it.
        """

    def forward(
        self,
        x: torch.Tensor,
        coarse: torch.Tensor | None = None,
        *,
        hook: torch.Tensor | None = None,
    ) -> torch.Tensor | list[torch.Tensor]:
        """Map an image (N, C, (Z), Y, X) to logits (N, classes, (Z), Y, X).

        Labels are never downsampled: logits are brought to the grid of the input, so that a
        stroke one voxel wide teaches every output.

        Parameters
        ----------
        x : (N, C, (Z), Y, X) tensor
            The image.
        coarse : (N, C, (Z), Y, X) tensor, optional
            Surroundings with the same centre, as large as `SurroundGrids.patch` says.
        hook : (N, F, (Z), Y, X) tensor, optional
            Instead of them, what ``surround`` made of them, cropped to the image.

        Raises
        ------
        InputError
            The network needs surroundings and is given none, or the other way round.
        """
        padded, hook = self._padded(x), self._hook(x, coarse, hook)
        wanted = self.config.supervised if self.training else 1
        logits = [
            crop(resize(each, padded.shape[2:]), x.shape[2:])
            for each in self.logits(padded, wanted, hook)
        ]
        return logits if self.training else self._shifted(logits[0])

    def scales(
        self,
        x: torch.Tensor,
        coarse: torch.Tensor | None = None,
        *,
        hook: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:
        """Map an image to the logits of every supervised output, each at its own resolution.

        Coarse logits cover the image up to the next whole voxel of their grid. Parameters are
        those of `forward`.
        """
        padded, hook = self._padded(x), self._hook(x, coarse, hook)
        found = self.logits(padded, self.config.supervised, hook)
        return [self._shifted(crop(each, _covering(x, padded, each))) for each in found]

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        compares = self.training or self.config.norm != "batch"
        return pad_to_grid(x, self.stride, compares=compares)

    def _hook(
        self, x: torch.Tensor, coarse: torch.Tensor | None, hook: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Give the hook feature of an image; a network without a surround has none."""
        if coarse is not None or hook is not None:
            raise InputError(
                f"Network '{self.config.name}' sees no surroundings, and was given some."
            )
        return None

    def _shifted(self, logits: torch.Tensor) -> torch.Tensor:
        return logits + self.shift.view(-1, *[1] * (logits.ndim - 2))


class ComposedNetwork(SegmentationNetwork):
    """Encoder -> context -> neck -> head -> classifiers.

    Parameters
    ----------
    config : ComposedConfig
        The parts and their sizes.

    Attributes
    ----------
    surround : SurroundBranch or None
        Maps surroundings to the hook feature, whose grid is that of the coarsest level.
    """

    def __init__(self, config: ComposedConfig) -> None:
        super().__init__(config)
        topology, style = config.topology, config.style
        self.encoder = config.encoder.build(topology, style)
        self.context = config.context.build(topology, style) if config.context else nn.Identity()
        self.neck = config.neck.build(topology, style)
        channels = list(self.neck.channels)
        pyramid = config.neck.pyramid(topology)
        self.head = config.head.build(channels, pyramid, style) if config.head else None
        if self.head is not None:
            channels.insert(0, self.head.channels)
        supervised = channels[: config.supervised]
        self.classifiers = Classifiers(topology.dims, supervised, topology.out_channels)
        self.grids = config.surroundings
        self.surround, self.joined = None, None
        if config.surround is not None:
            self.surround = config.surround.build(topology, style, config.encoder)
            self.joined = _joint(config)

    def logits(
        self, x: torch.Tensor, wanted: int, hook: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """Compute the head's output, if there is a head, and then the neck's, fine to coarse."""
        features = self.neck(self._encode(x, hook=hook))
        if isinstance(self.neck, RecursiveNeck):
            features = self.neck.refine(features, partial(self._encode, x, hook=hook))
        if self.head is not None:
            features = [self.head(features), *features]
        found: list[torch.Tensor] = self.classifiers(features[:wanted])
        return found

    def _encode(
        self, x: torch.Tensor, *feedback: list[torch.Tensor], hook: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        *fine, coarsest = self.encoder(x, *feedback)
        coarsest = self.context(coarsest)
        if self.joined is not None and hook is not None:
            coarsest = self.joined([coarsest, pad_to_size(hook, coarsest.shape[2:])])
        return [*fine, coarsest]

    def _hook(
        self, x: torch.Tensor, coarse: torch.Tensor | None, hook: torch.Tensor | None
    ) -> torch.Tensor | None:
        if self.surround is None or self.grids is None:
            return super()._hook(x, coarse, hook)
        if hook is not None:
            return hook
        if coarse is None:
            raise InputError(
                f"Network '{self.config.name}' sees the surroundings of a window as well, and this "
                "works on a window alone. Take a network without a surround for it."
            )
        inside = [-(-n // h) for n, h in zip(x.shape[2:], self.grids.hook, strict=True)]
        return _centre(self.surround(coarse), inside)


def _joint(config: ComposedConfig) -> CatFuse:
    """Make what joins the coarsest feature with the hook and brings it back to its channels."""
    own, style = config.topology.features[-1], config.style
    spec = ConvSpec(style.dims, (1,) * style.dims, style.norm)
    return CatFuse(conv_norm_act(spec, (own + config.hook_channels, own)), 2, style)


def _centre(hook: torch.Tensor, size: list[int]) -> torch.Tensor:
    """Cut the middle out of the feature of surroundings: what belongs to the image."""
    for axis, n in enumerate(size, start=2):
        spare = hook.shape[axis] - n
        if spare < 0 or spare % 2:
            raise InputError(
                f"Surroundings must have the centre of the image; their feature has "
                f"{tuple(hook.shape[2:])} voxels and the image {tuple(size)} on the same grid."
            )
        hook = hook.narrow(axis, spare // 2, n)
    return hook


def _covering(x: torch.Tensor, padded: torch.Tensor, logits: torch.Tensor) -> list[int]:
    """Voxels of a coarser grid that cover the image without its padding."""
    sizes = zip(x.shape[2:], padded.shape[2:], logits.shape[2:], strict=True)
    return [-(-n * coarse // whole) for n, whole, coarse in sizes]
