"""Presets: networks by name. A new one is one decorated function.

Other packages register theirs under the entry point group ``napari_ziggurat.networks``.
"""

import difflib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.composition import Composition, explain_errors
from napari_ziggurat.networks.config import ComposedConfig, MonaiConfig, NetworkConfig, Topology
from napari_ziggurat.networks.parts import load_extensions

if TYPE_CHECKING:
    from napari_ziggurat.networks.network import SegmentationNetwork

__all__ = [
    "NetworkInfo",
    "PresetEntry",
    "compose",
    "configure_network",
    "create_network",
    "find_preset",
    "known_presets",
    "list_networks",
    "register_network",
    "sees_surroundings",
]

Preset = Callable[[Topology], NetworkConfig]


@dataclass(frozen=True)
class NetworkInfo:
    """What `list_networks` tells of a preset; ``parameters`` for the 2D reference pyramid."""

    name: str
    paper: str
    summary: str
    parameters: int

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as JSON can hold them."""
        return asdict(self)


@dataclass(frozen=True)
class PresetEntry:
    """A registered preset: how its config is made, its paper, and what it is good for."""

    build: Preset
    paper: str
    summary: str


_PRESETS: dict[str, PresetEntry] = {}

_REFERENCE = Topology(
    dims=2,
    in_channels=1,
    out_channels=2,
    features=(32, 64, 128, 256, 512),
    strides=((1, 1), *((2, 2),) * 4),
    kernels=((3, 3),) * 5,
)


def register_network(name: str, *, paper: str, summary: str) -> Callable[[Preset], Preset]:
    """Decorate a function ``Topology -> NetworkConfig`` to make it a preset of ``--network``.

    Raises
    ------
    InputError
        The name is taken.
    """

    def register(build: Preset) -> Preset:
        if name in _PRESETS:
            raise InputError(f"A network named '{name}' is registered already; choose another.")
        _PRESETS[name] = PresetEntry(build, paper, summary)
        return build

    return register


def configure_network(
    network: str | Composition, topology: Topology, **choices: str
) -> NetworkConfig:
    """Give the config of a network for a pyramid.

    Parameters
    ----------
    network : str or Composition
        The name of a preset, as in ``--network``, or what a person composed.
    topology : Topology
        The pyramid.
    **choices
        Fields of `ComposedConfig` that differ from it, such as ``upsampling``.

    Raises
    ------
    InputError
        There is no such preset, and the message lists those there are; or it does not fit.
    """
    composed = network if isinstance(network, Composition) else None
    preset = find_preset(composed.preset if composed else str(network))
    called = composed.called if composed else str(network)
    changes: dict[str, Any] = {**(composed.changes if composed else {}), **choices}
    try:
        config = preset.build(topology)
        if changes and not isinstance(config, ComposedConfig):
            raise InputError(
                f"Network '{called}' is MONAI's own and takes no {', '.join(changes)}; leave it "
                "out, or choose a network that is composed of parts."
            )
        name = {"name": composed.name} if composed else {}
        return type(config).model_validate(config.model_dump() | changes | name)
    except ValidationError as error:
        what = "; ".join(explain_errors(error, ComposedConfig))
        raise InputError(f"Network '{called}' does not fit: {what}.") from None


def sees_surroundings(network: str | Composition) -> bool:
    """Tell whether a network sees more than a window, before there is a pyramid for it."""
    if isinstance(network, Composition) and "surround" in network.model_fields_set:
        return network.surround is not None
    preset = find_preset(network.preset if isinstance(network, Composition) else network)
    try:
        return preset.build(_REFERENCE).surroundings is not None
    except ValidationError:  # one for volumes alone: what it sees decides an estimate, no more
        return False


def find_preset(name: str) -> PresetEntry:
    """Look a preset up by its name.

    Raises
    ------
    InputError
        There is none; the message says which there are.
    """
    presets = known_presets()
    if name not in presets:
        close = difflib.get_close_matches(name.lower(), presets)
        meant = f" Did you mean {' or '.join(close)}?" if close else ""
        raise InputError(
            f"There is no network named '{name}'.{meant} There are: {', '.join(sorted(presets))}."
        )
    return presets[name]


def compose(preset: str) -> Composition:
    """Give a preset part by part, with every setting as it is for planes, to start from.

    Raises
    ------
    InputError
        There is no such preset, or it is not composed of parts.
    """
    config = find_preset(preset).build(_REFERENCE)
    if not isinstance(config, ComposedConfig):
        raise InputError(
            f"Network '{preset}' is MONAI's own and not composed of parts; take another."
        )
    fields = set(Composition.model_fields) & set(ComposedConfig.model_fields)
    return Composition.model_validate(config.model_dump(include=fields) | {"preset": preset})


def create_network(config: NetworkConfig) -> "SegmentationNetwork":
    """Build a network with fresh parameters."""
    from napari_ziggurat.networks.monai_network import MonaiNetwork
    from napari_ziggurat.networks.network import ComposedNetwork

    if isinstance(config, MonaiConfig):
        return MonaiNetwork(config)
    if isinstance(config, ComposedConfig):
        return ComposedNetwork(config)
    raise TypeError(f"a network is composed or MONAI's, not {type(config).__name__}")


def list_networks() -> list[NetworkInfo]:
    """Describe all presets, those of other packages included."""
    return [
        NetworkInfo(name, entry.paper, entry.summary, _count(entry.build(_REFERENCE)))
        for name, entry in sorted(known_presets().items())
    ]


def known_presets() -> dict[str, PresetEntry]:
    """Give all presets by name, those of other packages included; loads no torch by itself."""
    load_extensions()
    return _PRESETS


def _count(config: NetworkConfig) -> int:
    import torch

    with torch.device("meta"):  # counts without memory
        network = create_network(config)
    return sum(parameter.numel() for parameter in network.parameters())
