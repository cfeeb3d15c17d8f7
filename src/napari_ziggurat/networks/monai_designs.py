"""MONAI's designs: what each can be built on, in words where it cannot. No torch here."""

from typing import Literal

from napari_ziggurat.networks.topology import Topology

__all__ = ["MonaiDesign", "refusal", "swin_pyramid"]

MonaiDesign = Literal[
    "BasicUNet", "BasicUNetPlusPlus", "AttentionUnet", "DynUNet", "SegResNetDS", "SwinUNETR"
]

_SWIN_LEVELS = 6
_ANY = "'monai_dynunet' takes strides of any kind"


def refusal(design: MonaiDesign, topology: Topology, norm: str) -> str:
    """Say why a design cannot be built on a pyramid; empty where it can."""
    if design in ("BasicUNet", "BasicUNetPlusPlus"):
        return _five_halvings(design, topology)
    if design == "AttentionUnet":
        return _attention(topology, norm)
    if design == "DynUNet":
        return _dynunet(topology)
    return _segresnet(topology) if design == "SegResNetDS" else _swin(topology)


def swin_pyramid(topology: Topology) -> Topology:
    """Give a pyramid the six levels of SwinUNETR, of features that are multiples of 12."""
    missing, dims = max(0, _SWIN_LEVELS - topology.levels), topology.dims
    strides = (*topology.strides, *((2,) * dims,) * missing)
    return topology.model_copy(
        update={
            "features": _swin_features(topology.features[0], len(strides)),
            "strides": strides,
            "kernels": ((3,) * dims,) * len(strides),
        }
    )


def _swin_features(finest: int, levels: int) -> tuple[int, ...]:
    first = -(-finest // 12) * 12
    return tuple(first * 2 ** max(0, level - 1) for level in range(levels))


def _halves(topology: Topology) -> bool:
    return all(step == 2 for stride in topology.strides[1:] for step in stride)


def _five_halvings(design: str, topology: Topology) -> str:
    if topology.levels == 5 and _halves(topology):
        return ""
    return (
        f"MONAI's {design} has five levels and halves every axis at each; here are "
        f"{topology.levels} with strides {topology.strides}. Five come with --depth 5 and a patch "
        f"of 64 or more along every axis of isotropic images; {_ANY}"
    )


def _attention(topology: Topology, norm: str) -> str:
    if norm != "batch":
        return f"MONAI's AttentionUnet has batch norm and cannot have norm '{norm}'"
    if topology.levels < 2 or min(topology.features) < 2:
        return (
            "MONAI's AttentionUnet needs 2 or more levels of 2 or more features; here are "
            f"{topology.features}"
        )
    return ""


def _dynunet(topology: Topology) -> str:
    if topology.levels < 3:
        return f"MONAI's DynUNet needs 3 or more levels; here are {topology.levels}"
    for stride, kernel in zip(topology.strides, topology.kernels, strict=True):
        if any(s > k + 1 for s, k in zip(stride, kernel, strict=True)):
            return f"MONAI's DynUNet cannot step by {stride} with a kernel of {kernel}; use larger"
    return ""


def _segresnet(topology: Topology) -> str:
    first, *_ = features = topology.features
    if features != tuple(first * 2**level for level in range(len(features))):
        return f"MONAI's SegResNetDS doubles its features at each level; here are {features}"
    late = [list(axis).count(1) for axis in zip(*topology.strides[1:], strict=True)]
    begun = [(1,) * n + (2,) * (topology.levels - 1 - n) for n in late]
    fits = begun == list(zip(*topology.strides[1:], strict=True))
    if topology.levels > 1 and fits and min(late) == 0 and len(set(late)) < 3:
        return ""
    return (
        "MONAI's SegResNetDS halves every axis at each of 2 or more levels, coarse axes from one "
        f"common level on; here are strides {topology.strides}. Another --depth may fit; {_ANY}"
    )


def _swin(topology: Topology) -> str:
    features, levels = topology.features, topology.levels
    if not _halves(topology):
        return (
            "MONAI's SwinUNETR halves every axis at each level; here are strides "
            f"{topology.strides}. Take isotropic images; {_ANY}"
        )
    if levels != _SWIN_LEVELS:
        return (
            f"MONAI's SwinUNETR has {_SWIN_LEVELS} levels, and {levels} were asked for. Leave out "
            "--depth; 'monai_dynunet' takes any number from 3"
        )
    if features != (wanted := _swin_features(features[0], levels)):
        return f"MONAI's SwinUNETR has features such as {wanted} at its levels; here are {features}"
    return ""
