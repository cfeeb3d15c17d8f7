"""MONAI's own networks behind the contract of this package."""

import math
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.util import find_spec
from typing import Any

import torch
from monai.networks import nets
from torch import nn

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.config import MonaiConfig
from napari_ziggurat.networks.network import SegmentationNetwork

__all__ = ["MonaiNetwork"]


class MonaiNetwork(SegmentationNetwork):
    """One of MONAI's networks, with its outputs finest and best first, each on its own grid.

    Parameters
    ----------
    config : MonaiConfig
        Which one, and its sizes. Kernels are the design's own, but for DynUNet, which takes them.
    """

    def __init__(self, config: MonaiConfig) -> None:
        super().__init__(config)
        build, self._run = _DESIGNS[config.design]
        # MONAI before 1.6 prints sizes, and what is printed on stdout is a result here.
        with redirect_stdout(sys.stderr):
            self.network = build(config)

    def logits(
        self, x: torch.Tensor, wanted: int, hook: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """Compute MONAI's outputs, finest and best first; some designs have only one."""
        return self._run(self.network, x)[:wanted]


def _basic_unet(config: MonaiConfig) -> nn.Module:
    return nets.BasicUNet(**_sizes(config), **_basic(config))


def _basic_unetpp(config: MonaiConfig) -> nn.Module:
    network = nets.BasicUNetPlusPlus(**_sizes(config), **_basic(config), deep_supervision=True)
    for column in range(1, 5 - config.supervised):  # classifiers that are never taught
        setattr(network, f"final_conv_0_{column}", nn.Identity())
    return network


def _attention_unet(config: MonaiConfig) -> nn.Module:
    topology = config.topology
    strides: Any = topology.strides[1:]  # MONAI says one number for all axes, and takes more
    return nets.AttentionUnet(
        **_sizes(config),
        channels=topology.features,
        strides=strides,
        kernel_size=tuple(max(sizes) for sizes in zip(*topology.kernels, strict=True)),
    )


def _dynunet(config: MonaiConfig) -> nn.Module:
    topology = config.topology
    heads = min(config.supervised, topology.levels - 1)
    network = nets.DynUNet(
        **_sizes(config),
        kernel_size=topology.kernels,
        strides=topology.strides,
        upsample_kernel_size=topology.strides[1:],
        filters=topology.features,
        norm_name=_norm(config),
        deep_supervision=heads > 1,
        deep_supr_num=max(1, heads - 1),
    )
    del network.skip_layers  # the same modules again; they keep outputs between calls
    return network


def _segresnet(config: MonaiConfig) -> nn.Module:
    topology = config.topology
    late = [axis[1:].count(1) for axis in zip(*topology.strides, strict=True)]
    return nets.SegResNetDS(
        **_sizes(config),
        init_filters=topology.features[0],
        norm=_norm(config),
        blocks_down=(1, 2, 2, *(4,) * topology.levels)[: topology.levels],
        dsdepth=min(config.supervised, topology.levels - 1),
        resolution=tuple(2.0**levels for levels in late),  # from which it derives the strides
    )


def _swin_unetr(config: MonaiConfig) -> nn.Module:
    counts_only = torch.get_default_device().type == "meta"
    if find_spec("einops") is None and not counts_only:
        raise InputError(
            "MONAI's SwinUNETR needs the package einops, which is not installed. "
            "Install it with: pip install einops."
        )
    with torch.device("cpu"):  # MONAI reads a tensor's values here, and "meta" has none
        return nets.SwinUNETR(
            **_sizes(config), feature_size=config.topology.features[0], norm_name=_norm(config)
        )


def _sizes(config: MonaiConfig) -> dict[str, Any]:
    topology = config.topology
    return {
        "spatial_dims": topology.dims,
        "in_channels": topology.in_channels,
        "out_channels": topology.out_channels,
    }


def _basic(config: MonaiConfig) -> dict[str, Any]:
    features = config.topology.features
    return {"features": (*features, features[0]), "norm": _norm(config), "bias": False}


def _norm(config: MonaiConfig) -> tuple[str, dict[str, object]]:
    groups = math.gcd(8, *config.topology.features)
    more = {"num_groups": groups} if config.norm == "group" else {}
    return config.norm, {"affine": True, **more}


def _only(network: Any, x: torch.Tensor) -> list[torch.Tensor]:
    return [network(x)]


def _worst_first(network: Any, x: torch.Tensor) -> list[torch.Tensor]:
    return list(reversed(network(x)))


def _run_dynunet(network: Any, x: torch.Tensor) -> list[torch.Tensor]:
    """Compute what DynUNet does, without its nearest resize and the list that calls share."""
    skips = [network.input_block(x)]
    for down in network.downsamples:
        skips.append(down(skips[-1]))
    decoded = [network.bottleneck(skips[-1])]
    for up in network.upsamples:
        decoded.insert(0, up(decoded[0], skips.pop()))
    heads = [network.output_block, *getattr(network, "deep_supervision_heads", ())]
    return [head(feature) for head, feature in zip(heads, decoded, strict=False)]


def _run_segresnet(network: Any, x: torch.Tensor) -> list[torch.Tensor]:
    """Compute what SegResNetDS does; in evaluation, too, all outputs that it was built with."""
    *skips, x = network.encoder(x)
    outputs: list[torch.Tensor] = []
    for level in network.up_layers:
        x = level["blocks"](level["upsample"](x) + skips.pop())
        outputs.insert(0, level["head"](x))
    return outputs[: network.dsdepth]


_DESIGNS: dict[
    str,
    tuple[Callable[[MonaiConfig], nn.Module], Callable[[Any, torch.Tensor], list[torch.Tensor]]],
] = {
    "BasicUNet": (_basic_unet, _only),
    "BasicUNetPlusPlus": (_basic_unetpp, _worst_first),
    "AttentionUnet": (_attention_unet, _only),
    "DynUNet": (_dynunet, _run_dynunet),
    "SegResNetDS": (_segresnet, _run_segresnet),
    "SwinUNETR": (_swin_unetr, _only),
}
