"""Networks named after their head, on an encoder or a pyramid."""

from napari_ziggurat.networks import contexts, heads, necks
from napari_ziggurat.networks.config import ComposedConfig, NetworkConfig, Topology
from napari_ziggurat.networks.parts import ContextConfig, HeadConfig
from napari_ziggurat.networks.registry import register_network

__all__: list[str] = []


@register_network(
    "panoptic_fpn",
    paper="Kirillov 2019, arXiv 1901.02446",
    summary="FPN whose levels climb to the finest grid in steps and are summed there",
)
def _panoptic_fpn(topology: Topology) -> NetworkConfig:
    head = heads.SemanticFPNHeadConfig()
    return ComposedConfig(name="panoptic_fpn", topology=topology, neck=necks.FPNConfig(), head=head)


@register_network(
    "fcn",
    paper="Long 2014, arXiv 1411.4038",
    summary="all levels concatenated on the finest grid; the plainest use of an encoder",
)
def _fcn(topology: Topology) -> NetworkConfig:
    return _on_encoder("fcn", topology, heads.FCNHeadConfig())


@register_network(
    "pspnet",
    paper="Zhao 2016, arXiv 1612.01105",
    summary="means of the whole window; coarse outlines; results depend on the tiling",
)
def _pspnet(topology: Topology) -> NetworkConfig:
    return _on_encoder(
        "pspnet", topology, heads.FCNHeadConfig(level=-1), contexts.PyramidPoolingConfig()
    )


@register_network(
    "upernet",
    paper="Xiao 2018, arXiv 1807.10221",
    summary="means of the whole window, FPN, all levels at once; results depend on the tiling",
)
def _upernet(topology: Topology) -> NetworkConfig:
    return _on_encoder("upernet", topology, heads.UPerHeadConfig())


@register_network(
    "deeplabv3p",
    paper="Chen 2018, arXiv 1802.02611",
    summary="dilated convolutions below, joined with the finest; results depend on the tiling",
)
def _deeplabv3p(topology: Topology) -> NetworkConfig:
    return _on_encoder("deeplabv3p", topology, heads.DeepLabHeadConfig())


def _on_encoder(
    name: str, topology: Topology, head: HeadConfig, context: ContextConfig | None = None
) -> NetworkConfig:
    return ComposedConfig(
        name=name, topology=topology, context=context, neck=necks.NoNeckConfig(), head=head
    )
