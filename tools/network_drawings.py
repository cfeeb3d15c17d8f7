"""Draw the families of networks for the documentation, from the networks as they are built.

    python tools/network_drawings.py [FOLDER]

What a picture shows, and all its arrows, come from a network that has run (`network_dataflow`).
Here stands only which of its modules are shown, and in which column and colour.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from network_dataflow import Dataflow, Node, dataflow
from network_panels import COARSER, FINER, Panel, chain, draw, pyramid
from torch import nn

from napari_ziggurat.networks import Topology, configure_network, create_network
from napari_ziggurat.networks.calibration import calibrate
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.contexts.pyramid_pooling import PooledBranch
from napari_ziggurat.networks.contracts import RecursiveNeck
from napari_ziggurat.networks.equalizer import ScaleEqualizer
from napari_ziggurat.networks.fusion import CatFuse, SumFuse
from napari_ziggurat.networks.necks.nas_fpn import MergingCell
from napari_ziggurat.networks.necks.unet import AttentionGate
from napari_ziggurat.networks.network import ComposedNetwork

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "networks"
SIDE = 64  # voxels of the image that networks are run on
NAMES = {"ChannelSELayer": "squeeze, excite", "WindowAttention": "attention", "MLPBlock": "MLP",
         "MaxPool2d": "maximum"}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """Modules of a kind.

    Attributes
    ----------
    name : str
        Regular expression of their names.
    role : str
        Decides the colour.
    column : number or callable
        Where they stand; or a function of the numbers in the name (those in groups) and the number
        of the call.
    """

    name: str
    role: str
    column: float | Callable[..., float]

    def place(self, node: Node) -> float:
        """Give the column of a node."""
        match = re.fullmatch(self.name, node.name)
        assert match is not None
        return (
            self.column(*map(int, match.groups()), node.call)
            if callable(self.column)
            else self.column
        )


def plane(levels: int, first: int = 8) -> Topology:
    """Give a pyramid of so many levels."""
    return Topology(
        dims=2, in_channels=1, out_channels=2, features=tuple(first << n for n in range(levels)),
        strides=((1, 1), *((2, 2),) * (levels - 1)), kernels=((3, 3),) * levels,
    )  # fmt: skip


def build(preset: str, topology: Topology, **choices: Any) -> ComposedNetwork:
    """Make a network; parts may be given as choices."""
    config = configure_network(preset, topology)
    changed = ComposedConfig.model_validate(config.model_dump() | choices)
    network = create_network(changed).eval()
    assert isinstance(network, ComposedNetwork)
    return network


# ---- Kinds of panels


def trunk(title: str, preset: str, *shown: Shown, levels: int = 4) -> Panel:
    """Draw encoder and neck of a preset."""
    network = build(preset, plane(levels))
    recursive = isinstance(network.neck, RecursiveNeck)

    def run(x: torch.Tensor) -> Any:
        found = network.neck(network.encoder(x))
        if not recursive:
            return found
        return network.neck.refine(found, lambda back: network.encoder(x, back))

    image = torch.randn(1, 1, SIDE, SIDE)
    flow = dataflow(network, [image], named(shown), run=run, joins=recursive).without("input")
    return by_level(title, with_feedback(flow), shown)


def surrounded(title: str, preset: str, *shown: Shown, levels: int = 4) -> Panel:
    """Draw a network with its surroundings, here of the size of the image, on their grid."""
    network = build(preset, plane(levels))
    image, coarse = (torch.randn(1, 1, SIDE // n, SIDE // n) for n in (1, 4))
    flow = dataflow(network, [image, coarse], named(shown)).without("input")
    return by_level(title, flow, shown)


def with_feedback(flow: Dataflow) -> Dataflow:
    """Make one of a stage and the sum of what it computes and is fed back."""
    for key, node in list(flow.nodes.items()):
        (stage, *others) = flow.sources(key) or [""]
        if node.name == "join" and others and stage.startswith("encoder"):
            flow.nodes[key] = replace(flow.nodes[stage], text=node.text)
            flow = flow.merged(stage, key)
    return flow


def head(title: str, preset: str, *shown: Shown) -> Panel:
    """Draw the head of a preset, over features of four levels."""
    network = build(preset, plane(4))
    features = network.neck(network.encoder(torch.randn(1, 1, SIDE, SIDE)))
    module = network.get_submodule("head")
    shown = (Shown("input", "neck", 0), *shown)
    flow = dataflow(module, [x.detach() for x in features], named(shown), run=listed(module))
    return by_level(title, flow, shown)


def by_level(title: str, flow: Dataflow, shown: Sequence[Shown]) -> Panel:
    """Set out the nodes that are shown."""
    kinds = {n.name: k for n in flow.nodes.values() for k in shown if re.fullmatch(k.name, n.name)}
    flow = flow.without(*(node.name for node in flow.nodes.values() if node.name not in kinds))
    column = {key: kinds[node.name].place(node) for key, node in flow.nodes.items()}
    role = {key: kinds[node.name].role for key, node in flow.nodes.items()}
    return pyramid(title, flow, column, role, sign)


def named(shown: Sequence[Shown]) -> Callable[[str, nn.Module], bool]:
    return lambda name, _: any(re.fullmatch(each.name, name) for each in shown)


def listed(module: nn.Module) -> Callable[..., Any]:
    return lambda *features: module(list(features))


def block(title: str, preset: str, name: str, **settings: Any) -> Panel:
    """Draw a block of an encoder."""
    topology = plane(2, first=32)
    kind = configure_network(preset, topology).model_dump()["encoder"]
    encoder = build(preset, topology, encoder=kind | settings).encoder
    module = encoder.get_submodule(name)
    inner = [n for n, m in module.named_modules() if type(m).__name__ in NAMES]

    def shown(path: str, each: nn.Module) -> bool:
        whole = isinstance(each, nn.Conv2d) or type(each).__name__ in NAMES
        return whole and not any(path.startswith(f"{outer}.") for outer in inner)

    channels = 32 if name == "stages.1.0" else 64  # attention has its channels last
    features = torch.randn(1, 64, 64, 64)[:, :channels]
    flow = dataflow(module, [features], shown, joins=True).without("output")
    return chain(title, flow, lambda node: "encoder" if node.module else "join", words)


def context(title: str, preset: str) -> Panel:
    """Draw the context module of a preset."""
    module = build(preset, plane(4)).get_submodule("context")
    shown = named([Shown(r"branches\.\d+|fuse\.block", "context", 0)])
    flow = dataflow(module, [torch.randn(1, 64, 8, 8)], shown, joins=True)
    return chain(title, flow, lambda node: "context" if node.module else "join", words)


def fusion(title: str) -> Panel:
    """Draw one fusion of the U-Net with its equalizers."""
    neck = build("unet", plane(2), equalize="explicit").neck
    shown = named([Shown(r"ups\.0|fuses\.0\.equalizers\.\d|fuses\.0\.block\.[01]", "neck", 0)])
    given = [torch.randn(1, 8, 64, 64), torch.randn(1, 16, 32, 32)]
    flow = dataflow(neck, given, shown, run=listed(neck), joins=True)

    def role(node: Node) -> str:
        joined = "scale equalizer" if isinstance(node.module, ScaleEqualizer) else "neck"
        return joined if node.module else "join"

    def say(node: Node) -> str:
        return ("skip", "below")[node.call] if node.name == "input" else words(node)

    return chain(title, flow, role, say)


def spread(title: str, *, after: bool) -> Panel:
    """Draw how the values of both branches are spread, in a new network on noise."""
    network = build("unet", plane(2), equalize="explicit")
    images = [torch.randn(2, 1, SIDE, SIDE) for _ in range(4)]
    calibrate(network, images)
    seen: list[np.ndarray] = []
    for module in network.modules():
        if isinstance(module, ScaleEqualizer):
            module.register_forward_hook(
                lambda _, read, made: seen.append((made if after else read[0]).detach().numpy())
            )
    network.train()(images[0])
    panel = Panel(title)
    for values, colour in zip(seen, (COARSER, FINER), strict=True):
        counts, edges = np.histogram(values, bins=60, range=(-2.5, 4.0), density=True)
        x = 0.15 + (edges[:-1] + 2.5) / 6.5 * 2.6
        panel.curves.append((list(x), list(0.25 + np.minimum(counts, 2.0) * 0.4), colour))
        said = f"{'skip' if colour == COARSER else 'below'}: variance {values.var():.2f}"
        panel.labels.append(((2.2, 1.05 - 0.2 * len(panel.labels)), said, colour))
    return panel


# ---- Signs and words


def sign(node: Node) -> str:
    """Give the sign of what a module does with several features."""
    inside = list(node.module.modules()) if node.module is not None else []
    cells = [module for module in inside if isinstance(module, MergingCell)]
    if cells:
        return "g" if cells[0].attends else "+"
    signs = {AttentionGate: "×", CatFuse: "c", SumFuse: "+"}
    found = (text for kind, text in signs.items() if any(isinstance(m, kind) for m in inside))
    return node.text or next(found, "")


def words(node: Node) -> str:
    """Say in few words what a module does."""
    module = node.module
    if module is None:
        return node.text or "in"
    if isinstance(module, ScaleEqualizer):
        return "(x - mean) / std"
    if isinstance(module, PooledBranch):
        return f"means of {module.bins} × {module.bins} parts" if module.bins > 1 else "mean of all"
    if type(module).__name__ in NAMES:
        return NAMES[type(module).__name__]
    conv = next(m for m in module.modules() if isinstance(m, nn.Conv2d))
    return conv_words(conv, node.name) + (", resize" if node.name.startswith("ups") else "")


def conv_words(conv: nn.Conv2d, name: str) -> str:
    if "_se_" in name:  # MONAI's names in EfficientNet
        return "squeeze" if "reduce" in name else "excite"
    size = " × ".join(map(str, conv.kernel_size))
    if conv.dilation[0] > 1:
        return f"{size}, rate {conv.dilation[0]}"
    if conv.groups == conv.in_channels > 1:
        return f"{size} per channel"
    return f"{size}, {conv.groups} groups" if conv.groups > 1 else size


# ---- Pictures


ENCODER = Shown(r"encoder\.stages\.\d+\.0", "encoder", 0)


def unet_family() -> list[Panel]:
    joint = Shown(r"neck\.fuses\.\d+", "neck", 1)
    gates = Shown(r"neck\.gates\.\d+", "attention gate", 1)
    nested = Shown(r"neck\.fuses\.\d+_(\d+)", "neck", lambda column, _: column)
    return [
        trunk("U-Net", "unet", ENCODER, joint),
        trunk("Attention U-Net", "attention_unet", ENCODER, gates, replace(joint, column=2)),
        trunk("UNet 3+", "unet3p", ENCODER, replace(joint, column=1.7)),
        trunk("UNet++", "unetpp", ENCODER, nested),
    ]


def surroundings() -> list[Panel]:
    return [
        surrounded(
            "HookNet", "hooknet",
            Shown(r"surround\.encoder\.stages\.\d+\.0", "surroundings", 0),
            Shown(r"surround\.neck\.fuses\.\d+", "surroundings", 1),
            replace(ENCODER, column=2), Shown("joined", "neck", 3),
            Shown(r"neck\.fuses\.\d+", "neck", 4),
        )
    ]  # fmt: skip


def encoders() -> list[Panel]:
    streams = Shown(r"encoder\.stages\.(\d+)\.\d+\.streams\.\d+", "encoder", lambda s, *_: 1.3 * s)
    return [
        trunk("Stages", "unet", ENCODER),
        trunk("HRNet", "hrnet", streams, Shown("output", "encoder", 5.2)),
    ]


def blocks() -> list[Panel]:
    squeeze = {"blocks": 2, "squeeze": "channel"}
    return [
        block("Plain", "unet", "stages.1.0", pooling="max"),
        block("Residual", "residual_unet", "stages.1.1", blocks=2),
        block("Squeeze and excitation", "se_unet", "stages.1.1", **squeeze),
        block("Dilated", "dilated_unet", "stages.1.0"),
        block("ResNeXt", "resnext_unet", "stages.1.1"),
        block("ConvNeXt", "convnext_unet", "stages.1.0.1"),
        block("EfficientNet", "efficientnet_unet", "stages.1.1"),
        block("Inception", "inception_unet", "stages.1.1"),
        block("Swin", "swin_unet", "stages.1.0.blocks.1"),
    ]


def contexts() -> list[Panel]:
    return [context("Pyramid pooling", "unet_ppm"), context("ASPP", "unet_aspp")]


def necks() -> list[Panel]:
    sums = Shown(r"neck\.fuses\.\d+", "neck", 1)
    outputs = Shown(r"neck\.outputs\.\d+", "neck", 2)
    back = Shown(r"neck\.bottom_up\.outputs\.\d+", "neck", 3)
    passes = [
        replace(ENCODER, column=lambda call: 4 * call),
        Shown(r"neck\.fpn\.fuses\.\d+", "neck", lambda call: 1 + 4 * call),
        Shown(r"neck\.fpn\.outputs\.\d+", "neck", lambda call: 2 + 4 * call),
        Shown(r"neck\.feedback\.\d+", "context", 3),
        Shown("join", "neck", 7),
    ]
    down_up = [
        Shown(r"neck\.layers\.(\d)\.down\.\d+", "neck", lambda layer, _: 1 + 2 * layer),
        Shown(r"neck\.layers\.(\d)\.up\.\d+", "neck", lambda layer, _: 2 + 2 * layer),
    ]
    cells = Shown(r"neck\.stacks\.0\.cells\.(\d+)", "neck", lambda cell, _: 1 + cell)
    return [
        trunk("FPN", "fpn", ENCODER, sums, outputs, levels=3),
        trunk("PANet", "panet", ENCODER, sums, outputs, back, levels=3),
        trunk("BiFPN", "bifpn", ENCODER, *down_up, levels=3),
        trunk("Recursive FPN", "recursive_fpn", *passes, levels=3),
        trunk("NAS-FPN, the first of its stacks", "nas_fpn", ENCODER, cells, levels=5),
    ]


def heads() -> list[Panel]:
    return [
        head("FCN", "fcn", Shown("fuse", "head", 1.5)),
        head("FCN of PSPNet", "pspnet", Shown("conv", "head", 1), Shown("output", "head", 1)),
        head("FPN head", "fpn", Shown(r"convs\.\d+", "head", 1), Shown("fuse", "head", 2.5)),
        head("DeepLabv3+", "deeplabv3p", Shown("low", "head", 1), Shown("aspp", "context", 1),
             Shown("fuse", "head", 2)),
        head("Panoptic FPN", "panoptic_fpn", Shown("fuse", "head", 4),
             Shown(r"paths\.\d+\.convs\.(\d+)", "head", lambda step, _: 1 + step)),
        head("UPerNet", "upernet", Shown("pooling", "context", 1),
             Shown(r"pyramid\.fuses\.\d+", "head", 2),
             Shown(r"pyramid\.outputs\.\d+", "head", 3), Shown("fuse", "head", 4.5)),
    ]  # fmt: skip


def equalizers() -> list[Panel]:
    return [
        fusion("One fusion of a U-Net"),
        spread("What is fused, without", after=False),
        spread("With equalizers", after=True),
    ]


PICTURES = (unet_family, surroundings, encoders, blocks, contexts, necks, heads, equalizers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        torch.manual_seed(0)
        draw(folder / f"{picture.__name__}.svg", picture())


if __name__ == "__main__":
    main()
