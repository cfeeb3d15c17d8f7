"""Networks that MONAI defines itself."""

from napari_ziggurat.networks.config import MonaiConfig, NetworkConfig, Topology
from napari_ziggurat.networks.monai_designs import swin_pyramid
from napari_ziggurat.networks.registry import register_network

__all__: list[str] = []


@register_network(
    "monai_basic_unet",
    paper="Falk 2019, doi:10.1038/s41592-018-0261-2",
    summary="MONAI's BasicUNet; five levels, isotropic; no deep supervision",
)
def _monai_basic_unet(topology: Topology) -> NetworkConfig:
    return MonaiConfig(name="monai_basic_unet", topology=topology, design="BasicUNet")


@register_network(
    "monai_basic_unetpp",
    paper="Zhou 2018, arXiv 1807.10165",
    summary="MONAI's BasicUNetPlusPlus; five levels, isotropic; cannot be pruned",
)
def _monai_basic_unetpp(topology: Topology) -> NetworkConfig:
    return MonaiConfig(
        name="monai_basic_unetpp", topology=topology, design="BasicUNetPlusPlus", supervised=4
    )


@register_network(
    "monai_attention_unet",
    paper="Oktay 2018, arXiv 1804.03999",
    summary="MONAI's AttentionUnet; no deep supervision; results depend on the tiling",
)
def _monai_attention_unet(topology: Topology) -> NetworkConfig:
    return MonaiConfig(name="monai_attention_unet", topology=topology, design="AttentionUnet")


@register_network(
    "monai_dynunet",
    paper="Isensee 2018, arXiv 1809.10486",
    summary="MONAI's DynUNet, the U-Net of nnU-Net; any strides and kernels",
)
def _monai_dynunet(topology: Topology) -> NetworkConfig:
    return MonaiConfig(name="monai_dynunet", topology=topology, design="DynUNet")


@register_network(
    "monai_segresnet",
    paper="Myronenko 2018, arXiv 1810.11654",
    summary="MONAI's SegResNetDS; residual, features added instead of joined; deep encoder",
)
def _monai_segresnet(topology: Topology) -> NetworkConfig:
    doubled = tuple(topology.features[0] * 2**level for level in range(topology.levels))
    return MonaiConfig(
        name="monai_segresnet",
        topology=topology.model_copy(update={"features": doubled}),
        design="SegResNetDS",
    )


@register_network(
    "monai_swin_unetr",
    paper="Hatamizadeh 2022, arXiv 2201.01266",
    summary="MONAI's SwinUNETR; six levels, isotropic; needs many annotations, einops",
)
def _monai_swin_unetr(topology: Topology) -> NetworkConfig:
    return MonaiConfig(name="monai_swin_unetr", topology=swin_pyramid(topology), design="SwinUNETR")
