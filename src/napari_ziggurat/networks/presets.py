"""Presets: the networks that ``--network`` knows by name, each one a choice of parts."""

from napari_ziggurat.networks import contexts, encoders, heads, necks
from napari_ziggurat.networks.config import ComposedConfig, MonaiConfig, NetworkConfig, Topology
from napari_ziggurat.networks.monai_designs import swin_pyramid
from napari_ziggurat.networks.parts import ContextConfig, EncoderConfig, HeadConfig, NeckConfig
from napari_ziggurat.networks.registry import register_network
from napari_ziggurat.networks.surround import SurroundConfig

__all__: list[str] = []

# ---- U-Net family


@register_network(
    "unet",
    paper="Ronneberger 2015, arXiv 1505.04597",
    summary="two plain convolutions per level; small and fast",
)
def _unet(topology: Topology) -> NetworkConfig:
    return _with_encoder("unet", topology, encoders.PlainEncoderConfig())


@register_network(
    "residual_unet",
    paper="Isensee 2024, arXiv 2404.09556",
    summary="residual encoder, deep supervision; the default",
)
def _residual_unet(topology: Topology) -> NetworkConfig:
    return _with_encoder("residual_unet", topology, encoders.ResidualEncoderConfig())


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


# ---- Encoders of other families under the neck of U-Net


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


# ---- Networks that see the surroundings of a window

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


# ---- Contexts


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


# ---- Pyramid necks, under the FPN head


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


# ---- Heads


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


# ---- MONAI's own networks


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
