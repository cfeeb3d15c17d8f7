"""U-Nets: the family with skip connections, plain, nested, full-scale and gated."""

from napari_ziggurat.networks import encoders, necks
from napari_ziggurat.networks.config import ComposedConfig, NetworkConfig, Topology
from napari_ziggurat.networks.parts import NeckConfig
from napari_ziggurat.networks.registry import register_network

__all__: list[str] = []


@register_network(
    "unet",
    paper="Ronneberger 2015, arXiv 1505.04597",
    summary="two plain convolutions per level; small and fast",
)
def _unet(topology: Topology) -> NetworkConfig:
    encoder = encoders.PlainEncoderConfig()
    return ComposedConfig(name="unet", topology=topology, encoder=encoder)


@register_network(
    "residual_unet",
    paper="Isensee 2024, arXiv 2404.09556",
    summary="residual encoder, deep supervision; the default",
)
def _residual_unet(topology: Topology) -> NetworkConfig:
    encoder = encoders.ResidualEncoderConfig()
    return ComposedConfig(name="residual_unet", topology=topology, encoder=encoder)


@register_network(
    "wide_unet",
    paper="Zhou 2018, arXiv 1807.10165",
    summary="unet with a tenth more features, about as many parameters as unetpp; to compare with",
)
def _wide_unet(topology: Topology) -> NetworkConfig:
    wide = tuple(round(n * 35 / 32) for n in topology.features)  # 35, 70, 140... in the paper
    return ComposedConfig(
        name="wide_unet",
        topology=topology.model_copy(update={"features": wide}),
        encoder=encoders.PlainEncoderConfig(),
    )


@register_network(
    "unetpp",
    paper="Zhou 2018, arXiv 1807.10165",
    summary="UNet++: U-Nets of every depth in one; can be pruned to a faster one; more memory",
)
def _unetpp(topology: Topology) -> NetworkConfig:
    return ComposedConfig(
        name="unetpp",
        topology=topology,
        supervised=max(1, topology.levels - 1),  # every depth, so that each can be had
        encoder=encoders.PlainEncoderConfig(pooling="max"),
        neck=necks.NestedUNetNeckConfig(),
    )


@register_network(
    "unet3p",
    paper="Huang 2020, arXiv 2004.08790",
    summary="UNet 3+: every level joined with all levels; few parameters, many operations",
)
def _unet3p(topology: Topology) -> NetworkConfig:
    return _full_scale("unet3p", topology, necks.UNet3PlusNeckConfig())


@register_network(
    "unet3p_guided",
    paper="Huang 2020, arXiv 2004.08790",
    summary="unet3p that may silence windows without objects; results depend on the tiling",
)
def _unet3p_guided(topology: Topology) -> NetworkConfig:
    return _full_scale("unet3p_guided", topology, necks.UNet3PlusNeckConfig(guided=True))


def _full_scale(name: str, topology: Topology, neck: NeckConfig) -> NetworkConfig:
    return ComposedConfig(
        name=name,
        topology=topology,
        supervised=topology.levels,
        encoder=encoders.PlainEncoderConfig(pooling="max"),
        neck=neck,
    )


@register_network(
    "attention_unet",
    paper="Oktay 2018, arXiv 1804.03999",
    summary="unet whose skips are weakened where coarser features find nothing; small objects",
)
def _attention_unet(topology: Topology) -> NetworkConfig:
    return ComposedConfig(
        name="attention_unet",
        topology=topology,
        encoder=encoders.PlainEncoderConfig(pooling="max"),
        neck=necks.UNetNeckConfig(gated=True),
    )
