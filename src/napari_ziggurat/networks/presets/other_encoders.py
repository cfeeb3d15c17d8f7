"""U-Nets over encoders of other families: residual, grouped, inverted, attention in windows."""

from napari_ziggurat.networks import encoders, heads, necks
from napari_ziggurat.networks.config import ComposedConfig, NetworkConfig, Topology
from napari_ziggurat.networks.parts import EncoderConfig
from napari_ziggurat.networks.registry import register_network

__all__: list[str] = []


@register_network(
    "se_unet",
    paper="Hu 2017, arXiv 1709.01507",
    summary="residual, each channel weighed by its mean; results depend on the tiling",
)
def _se_unet(topology: Topology) -> NetworkConfig:
    return _with_encoder("se_unet", topology, encoders.ResidualEncoderConfig(squeeze="channel"))


@register_network(
    "inception_unet",
    paper="Szegedy 2014, arXiv 1409.4842",
    summary="several kernel sizes at each level; for objects of mixed size; few parameters",
)
def _inception_unet(topology: Topology) -> NetworkConfig:
    return _with_encoder("inception_unet", topology, encoders.InceptionEncoderConfig())


@register_network(
    "dilated_unet",
    paper="Wang 2017, arXiv 1702.08502",
    summary="dilated convolutions of rates 1, 2, 5 at each level; a wide view at full resolution",
)
def _dilated_unet(topology: Topology) -> NetworkConfig:
    return _with_encoder("dilated_unet", topology, encoders.DilatedEncoderConfig())


@register_network(
    "hrnet",
    paper="Wang 2019, arXiv 1908.07919",
    summary="all resolutions in parallel, joined at the end; for thin structures; much memory",
)
def _hrnet(topology: Topology) -> NetworkConfig:
    half = tuple(max(1, n // 2) for n in topology.features)  # 16, 32, 64...: as in HRNet-W18
    return ComposedConfig(
        name="hrnet",
        topology=topology.model_copy(update={"features": half}),
        encoder=encoders.HRNetEncoderConfig(),
        neck=necks.NoNeckConfig(),
        head=heads.FCNHeadConfig(),
    )


@register_network(
    "resnet_unet",
    paper="He 2015, arXiv 1512.03385",
    summary="MONAI's blocks of ResNet-18, two at each level; deeper than residual_unet",
)
def _resnet_unet(topology: Topology) -> NetworkConfig:
    return _with_encoder("resnet_unet", topology, encoders.ResNetEncoderConfig())


@register_network(
    "resnext_unet",
    paper="Xie 2016, arXiv 1611.05431",
    summary="residual blocks of 8 parallel paths; fewer parameters than resnet_unet",
)
def _resnext_unet(topology: Topology) -> NetworkConfig:
    return _with_encoder("resnext_unet", topology, encoders.ResNeXtEncoderConfig())


@register_network(
    "regnet_unet",
    paper="Radosavovic 2020, arXiv 2003.13678",
    summary="residual blocks in groups of 16 channels; fewer parameters than resnet_unet",
)
def _regnet_unet(topology: Topology) -> NetworkConfig:
    return _with_encoder("regnet_unet", topology, encoders.RegNetEncoderConfig())


@register_network(
    "efficientnet_unet",
    paper="Tan 2019, arXiv 1905.11946",
    summary="MONAI's inverted bottlenecks, wide inside a block; results depend on the tiling",
)
def _efficientnet_unet(topology: Topology) -> NetworkConfig:
    encoder = encoders.EfficientNetEncoderConfig(expansion=4)
    return _with_encoder("efficientnet_unet", topology, encoder)


@register_network(
    "convnext_unet",
    paper="Liu 2022, arXiv 2201.03545",
    summary="wide depthwise kernels and layer norm; a wide view in each block",
)
def _convnext_unet(topology: Topology) -> NetworkConfig:
    # 343 taps in 3D are many; 5 is the wide kernel of MedNeXt (arXiv 2303.09975)
    kernel = 7 if topology.dims == 2 else 5
    return _with_encoder("convnext_unet", topology, encoders.ConvNeXtEncoderConfig(kernel=kernel))


@register_network(
    "swin_unet",
    paper="Liu 2021, arXiv 2103.14030",
    summary="attention in shifted windows; needs many annotations; results depend on the tiling",
)
def _swin_unet(topology: Topology) -> NetworkConfig:
    window = 8 if topology.dims == 2 else 4  # 64 voxels in both
    return _with_encoder("swin_unet", topology, encoders.SwinEncoderConfig(window=window))


def _with_encoder(name: str, topology: Topology, encoder: EncoderConfig) -> NetworkConfig:
    return ComposedConfig(name=name, topology=topology, encoder=encoder)
