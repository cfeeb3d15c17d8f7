"""Networks that see the surroundings of a window besides the window."""

from napari_ziggurat.networks import encoders, necks
from napari_ziggurat.networks.config import ComposedConfig, NetworkConfig, Topology
from napari_ziggurat.networks.parts import EncoderConfig, NeckConfig
from napari_ziggurat.networks.registry import register_network
from napari_ziggurat.networks.surround import SurroundConfig

__all__: list[str] = []


_SEEN = 2  # level whose grid the surroundings are on: four times as far along halved axes


@register_network(
    "hooknet",
    paper="van Rijthoven 2020, arXiv 2006.12230",
    summary="unet with a second branch over wider, coarser surroundings; where distance tells",
)
def _hooknet(topology: Topology) -> NetworkConfig:
    return _with_surround("hooknet", topology, encoders.PlainEncoderConfig())


@register_network(
    "hook_residual_unet",
    paper="van Rijthoven 2020, arXiv 2006.12230",
    summary="residual_unet that sees its surroundings as well; twice the work of a step",
)
def _hook_residual_unet(topology: Topology) -> NetworkConfig:
    return _with_surround("hook_residual_unet", topology, encoders.ResidualEncoderConfig())


@register_network(
    "hook_attention_unet",
    paper="van Rijthoven 2020, arXiv 2006.12230; Oktay 2018, arXiv 1804.03999",
    summary="attention_unet whose gates know the surroundings",
)
def _hook_attention_unet(topology: Topology) -> NetworkConfig:
    encoder = encoders.PlainEncoderConfig(pooling="max")
    neck = necks.UNetNeckConfig(gated=True)
    return _with_surround("hook_attention_unet", topology, encoder, neck)


@register_network(
    "hook_unetpp",
    paper="van Rijthoven 2020, arXiv 2006.12230; Zhou 2018, arXiv 1807.10165",
    summary="unetpp that sees its surroundings as well; cannot be pruned; much memory",
)
def _hook_unetpp(topology: Topology) -> NetworkConfig:
    encoder = encoders.PlainEncoderConfig(pooling="max")
    return _with_surround("hook_unetpp", topology, encoder, necks.NestedUNetNeckConfig())


def _with_surround(
    name: str, topology: Topology, encoder: EncoderConfig, neck: NeckConfig | None = None
) -> NetworkConfig:
    return ComposedConfig(
        name=name,
        topology=topology,
        encoder=encoder,
        neck=neck or necks.UNetNeckConfig(),
        surround=SurroundConfig(level=max(1, min(_SEEN, topology.levels - 1))),
    )
