"""Parts: what a network is composed of, and how parts are found by their kind.

A part is a frozen config with a ``build`` that makes its module. The config loads no torch; the
module is imported when it is built. Other packages register parts under the entry point group
``napari_ziggurat.networks``.
"""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from napari_ziggurat.networks.topology import Strict, Topology

if TYPE_CHECKING:
    from napari_ziggurat.networks import contracts

__all__ = [
    "ContextConfig",
    "EncoderConfig",
    "Equalize",
    "HeadConfig",
    "NeckConfig",
    "Norm",
    "PartConfig",
    "Style",
    "Upsampling",
    "find_part",
    "load_extensions",
    "register_part",
]

Norm = Literal["batch", "instance", "group"]
Upsampling = Literal["linear", "deconv", "pixelshuffle"]
Equalize = Literal["off", "explicit", "initialisation"]

P = TypeVar("P", bound="PartConfig")

_PARTS: dict[tuple[str, str], "type[PartConfig]"] = {}


@dataclass(frozen=True)
class Style:
    """What all parts of one network share.

    Attributes
    ----------
    dims : int
        2 or 3 spatial axes.
    norm : str
        Name of the norm in MONAI's vocabulary.
    upsampling : str
        How coarse features are brought to a finer grid.
    equalize : str
        Whether features are brought to one scale before they are concatenated.
    equalize_sums : bool
        And before they are added.
    """

    dims: int
    norm: Norm = "batch"
    upsampling: Upsampling = "linear"
    equalize: Equalize = "off"
    equalize_sums: bool = False


class PartConfig(Strict, ABC):
    """One part of a network, in values.

    Attributes
    ----------
    kind : str
        Name of the part, unique among parts that serve the same purpose.
    """

    purpose: ClassVar[str]
    fuses: ClassVar[bool] = False  # features of several levels meet in it: equalizers can act
    adds: ClassVar[bool] = False  # they meet in sums: equalizers act if sums are equalized
    upsamples: ClassVar[bool] = False  # as the style says; else in the way of its paper
    kind: str

    def check(self, topology: Topology) -> None:
        """Raise ValueError, in words, where the part cannot work on this pyramid."""


class EncoderConfig(PartConfig):
    """Image -> one feature per level of the topology, with its channels and strides."""

    purpose: ClassVar = "encoder"
    takes_feedback: ClassVar[bool] = False  # its module is a `contracts.StagedEncoder`

    @abstractmethod
    def build(self, topology: Topology, style: Style) -> "contracts.Encoder":
        """Make the module: (N, C, (Z), Y, X) -> list of features, finest first."""


class ContextConfig(PartConfig):
    """Coarsest feature -> the same, with context; channels and size stay."""

    purpose: ClassVar = "context"
    fuses: ClassVar = True

    @abstractmethod
    def build(self, topology: Topology, style: Style) -> "contracts.Context":
        """Make the module: feature -> feature."""


class NeckConfig(PartConfig):
    """Features -> features, finest first."""

    purpose: ClassVar = "neck"
    feeds_back: ClassVar[bool] = False  # its module is a `contracts.RecursiveNeck`

    def pyramid(self, topology: Topology) -> Topology:
        """Give the pyramid of the outputs; the network pads its input to that total stride."""
        return topology

    @abstractmethod
    def build(self, topology: Topology, style: Style) -> "contracts.Neck":
        """Make the module; its ``channels`` tell those of its outputs, finest first."""


class HeadConfig(PartConfig):
    """Features -> one feature on the finest grid."""

    purpose: ClassVar = "head"

    @abstractmethod
    def build(self, channels: Sequence[int], topology: Topology, style: Style) -> "contracts.Head":
        """Make the module for features of these channels; ``channels`` tells its output's."""


def register_part(config: type[P]) -> type[P]:
    """Decorate the config of a part to make its kind known.

    Raises
    ------
    ValueError
        The kind is taken.
    """
    key = (config.purpose, config.model_fields["kind"].default)
    if key in _PARTS:
        raise ValueError(f"a {key[0]} of kind '{key[1]}' is registered already; choose another")
    _PARTS[key] = config
    return config


def find_part(purpose: str) -> Callable[[Any], Any]:
    """Give the validator that turns a kind, or a mapping with one, into the config of that kind."""

    def parse(value: Any) -> Any:
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, Mapping):
            return value
        if "kind" not in value:
            raise ValueError(f"{purpose} needs a kind; there are {', '.join(_kinds(purpose))}")
        config = _lookup(purpose, str(value["kind"]))
        _refuse_unknown(value, config)
        return config.model_validate(value)

    return parse


def _refuse_unknown(value: Mapping[str, Any], config: "type[PartConfig]") -> None:
    unknown = [name for name in value if name not in config.model_fields]
    if unknown:
        known = [name for name in config.model_fields if name != "kind"]
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise ValueError(f"{config.purpose} '{value['kind']}' has no setting '{unknown[0]}'; {has}")


def _kinds(purpose: str) -> list[str]:
    load_extensions()
    return sorted(kind for each, kind in _PARTS if each == purpose)


def _lookup(purpose: str, kind: str) -> "type[PartConfig]":
    if (purpose, kind) not in _PARTS:
        load_extensions()
    if (purpose, kind) not in _PARTS:
        known = _kinds(purpose)
        close = difflib.get_close_matches(kind, known) or known
        raise ValueError(f"there is no {purpose} '{kind}'; choose for example {', '.join(close)}")
    return _PARTS[purpose, kind]


def load_extensions() -> None:
    """Import what other packages register; importing it runs their decorators."""
    for point in entry_points(group="napari_ziggurat.networks"):
        point.load()
