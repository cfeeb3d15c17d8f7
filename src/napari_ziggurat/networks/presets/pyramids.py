"""Feature pyramids: one width at all levels, under the FPN head."""

from napari_ziggurat.networks import heads, necks
from napari_ziggurat.networks.config import ComposedConfig, NetworkConfig, Topology
from napari_ziggurat.networks.parts import NeckConfig
from napari_ziggurat.networks.registry import register_network

__all__: list[str] = []


@register_network(
    "fpn",
    paper="Lin 2016, arXiv 1612.03144",
    summary="one width at all levels, coarse features added to finer ones; a common base",
)
def _fpn(topology: Topology) -> NetworkConfig:
    return _over_pyramid("fpn", topology, necks.FPNConfig())


@register_network(
    "panet",
    paper="Liu 2018, arXiv 1803.01534",
    summary="FPN with a second path, which brings fine detail to the coarse levels",
)
def _panet(topology: Topology) -> NetworkConfig:
    return _over_pyramid("panet", topology, necks.FPNConfig(bottom_up=True))


@register_network(
    "fpn_aligned",
    paper="Huang 2021, arXiv 2108.07058; Li 2020, arXiv 2002.10120",
    summary="FPN with learned offsets in upsampling; for outlines that coarse levels displace",
)
def _fpn_aligned(topology: Topology) -> NetworkConfig:
    return _over_pyramid("fpn_aligned", topology, necks.FPNConfig(aligned=True))


@register_network(
    "recursive_fpn",
    paper="Qiao 2020, arXiv 2006.02334",
    summary="FPN, twice, with feedback into the encoder; slow; results depend on the tiling",
)
def _recursive_fpn(topology: Topology) -> NetworkConfig:
    return _over_pyramid("recursive_fpn", topology, necks.RecursiveFPNConfig())


@register_network(
    "bifpn",
    paper="Tan 2019, arXiv 1911.09070",
    summary="three times down and up the pyramid with learned weights; a neck of few parameters",
)
def _bifpn(topology: Topology) -> NetworkConfig:
    return _over_pyramid("bifpn", topology, necks.BiFPNConfig())


@register_network(
    "nas_fpn",
    paper="Ghiasi 2019, arXiv 1904.07392",
    summary="connections found by search, three stacks of them; slow; results depend on the tiling",
)
def _nas_fpn(topology: Topology) -> NetworkConfig:
    return _over_pyramid("nas_fpn", topology, necks.NasFPNConfig(repeats=3))


def _over_pyramid(name: str, topology: Topology, neck: NeckConfig) -> NetworkConfig:
    return ComposedConfig(name=name, topology=topology, neck=neck, head=heads.FPNHeadConfig())
