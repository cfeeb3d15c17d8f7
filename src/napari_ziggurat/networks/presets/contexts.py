"""U-Nets with a context module at their coarsest level."""

from napari_ziggurat.networks import contexts
from napari_ziggurat.networks.config import ComposedConfig, NetworkConfig, Topology
from napari_ziggurat.networks.parts import ContextConfig
from napari_ziggurat.networks.registry import register_network

__all__: list[str] = []


@register_network(
    "unet_ppm",
    paper="Zhao 2016, arXiv 1612.01105",
    summary="residual_unet that knows means of the whole window; results depend on the tiling",
)
def _unet_ppm(topology: Topology) -> NetworkConfig:
    return _with_context("unet_ppm", topology, contexts.PyramidPoolingConfig())


@register_network(
    "unet_aspp",
    paper="Chen 2017, arXiv 1706.05587",
    summary="residual_unet with dilated convolutions below; a wide view; depends on the tiling",
)
def _unet_aspp(topology: Topology) -> NetworkConfig:
    return _with_context("unet_aspp", topology, contexts.ASPPConfig())


@register_network(
    "unet_sep_aspp",
    paper="Chen 2018, arXiv 1802.02611",
    summary="unet_aspp with separable convolutions; fewer parameters; depends on the tiling",
)
def _unet_sep_aspp(topology: Topology) -> NetworkConfig:
    return _with_context("unet_sep_aspp", topology, contexts.SeparableASPPConfig())


def _with_context(name: str, topology: Topology, context: ContextConfig) -> NetworkConfig:
    return ComposedConfig(name=name, topology=topology, context=context)
