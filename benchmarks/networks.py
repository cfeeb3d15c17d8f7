"""Measure what every network costs beside the plain U-Net; print tables of Markdown.

    python benchmarks/networks.py [--only NAME ...] [--image 2D 3D] [--device cpu|cuda]

The pyramids are what the planner gives for a plane of 512 x 512 and for a volume of 64 x 256 x 256
whose sections are 2.5 times thicker than its pixels; networks that cannot be built on that one are
measured on the pyramid of an isotropic volume of 128 x 128 x 128. Forward: as ``segment`` computes,
with norms folded and in 16 bit where the hardware has them; surroundings, which windows of a
segmentation share, are left out of it. Step: as ``train`` makes it, with all
supervised outputs. Memory: the largest that a process held more than before it built the network.

Each network has processes of its own, in which `unet` and the network are timed in turn. On one
thread of the CPU it is the processor's time that is counted: other programs do not matter.
"""

import argparse
import ctypes
import itertools
import json
import multiprocessing
import platform
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.geometry import Box, Spacing
from napari_ziggurat.inference.predictor import Predictor, resolve_precision
from napari_ziggurat.inference.window import Surrounded, Window
from napari_ziggurat.networks import Topology, configure_network, create_network
from napari_ziggurat.networks.analysis import costs
from napari_ziggurat.networks.device import bfloat16_trains, channels_last, lay_out
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.outputs import blank_surroundings
from napari_ziggurat.networks.registry import known_presets
from napari_ziggurat.training.losses import deep_supervision_loss
from napari_ziggurat.training.planner import Machine, Wishes, design

PLAIN, PARTS = "unet", ("forward", "step")
BATCH = {"cpu": 1, "cuda": 8}

# Shape, spacing, and what is asked of the planner.
IMAGES = {
    "2D": ((512, 512), (1.0, 1.0), Wishes(patch=(256, 256), features=32)),
    "3D": ((64, 256, 256), (2.5, 1.0, 1.0), Wishes(patch=(32, 80, 80), features=16)),
    "isotropic 3D": ((128, 128, 128), (1.0, 1.0, 1.0), Wishes(patch=(64, 64, 64), features=16)),
}
REFUSED_BY = {"isotropic 3D": "3D"}  # measured are those that were refused there

Work = Callable[[], object]
Costs = dict[str, float]  # seconds, bytes and counts of one batch


class Setting(NamedTuple):
    """On which pyramid, where and for how many seconds a network is measured."""

    image: str
    device: str
    threads: int
    seconds: float

    def plan(self) -> tuple[Topology, tuple[int, ...]]:
        """Give the planner's pyramid and patch."""
        shape, spacing, wishes = IMAGES[self.image]
        machine = Machine(gpu=self.device == "cuda", memory=2**36)
        planned = design([shape], Spacing(spacing), machine, wishes)
        return planned.topology(in_channels=1, out_channels=2), planned.patch

    def noise(self) -> torch.Tensor:
        """Give a batch."""
        return torch.randn((BATCH[self.device], 1, *self.plan()[1]))

    def build(self, name: str) -> SegmentationNetwork:
        """Make a network with fresh parameters."""
        return create_network(configure_network(name, self.plan()[0]))

    def clock(self) -> float:
        """Tell the seconds."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        alone = self.device == "cpu" and self.threads == 1
        return time.process_time() if alone else time.perf_counter()

    def peak(self) -> int:
        """Tell the largest memory so far, in bytes."""
        if self.device == "cuda":
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # KiB, on Linux


def main() -> None:
    options = parse()
    found: dict[str, dict[str, Costs | str]] = {}
    for image in options.image:
        elsewhere = found.get(REFUSED_BY.get(image, ""))
        wanted = [n for n in options.only if elsewhere is None or isinstance(elsewhere[n], str)]
        if not wanted:
            continue
        setting = Setting(image, options.device, options.threads, options.seconds)
        plain = run(PLAIN, setting)
        if isinstance(plain, str):
            sys.exit(plain)
        print(*heading(setting, plain), sep="\n", flush=True)
        rows = found[image] = {}
        for name in dict.fromkeys((PLAIN, *wanted)):
            rows[name] = plain if name == PLAIN else run(name, setting)
            print(row(name, rows[name], plain), flush=True)
        print("", *(f"- `{name}`: {why}" for name, why in rows.items() if isinstance(why, str)), "",
              sep="\n")  # fmt: skip
    if options.out:
        options.out.write_text(json.dumps(found, indent=1), encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = list(known_presets())
    parser.add_argument("--only", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--image", nargs="+", default=list(IMAGES), choices=list(IMAGES))
    parser.add_argument("--device", default="cpu", choices=list(BATCH))
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--seconds", type=float, default=1.5, help="of timing, for each network")
    parser.add_argument("--out", type=Path, help="JSON of everything measured")
    return parser.parse_args()


def run(name: str, setting: Setting) -> Costs | str:
    """Measure a network in processes of its own; words where it cannot be had."""
    # A fork has the libraries loaded already; CUDA bears none.
    context = multiprocessing.get_context("spawn" if setting.device == "cuda" else "fork")
    found: Costs = {}
    try:
        for measure in (memory, timing):
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                found |= pool.submit(measure, name, setting).result()
    except BrokenProcessPool:
        return "the system ended it; the memory does not suffice"
    except (ZigguratError, MemoryError, RuntimeError) as error:
        return str(error)
    return found


def memory(name: str, setting: Setting) -> Costs:
    torch.set_num_threads(setting.threads)
    if setting.device == "cpu":  # what is freed goes back to the system: M_MMAP_THRESHOLD of glibc
        ctypes.CDLL(None).mallopt(-3, 2**20)
    found, start = {}, setting.peak()
    for prepare in (forward, step):  # a step takes more than a forward pass
        prepare(setting, name)
        found[f"{prepare.__name__}_memory"] = setting.peak() - start
    return found


def timing(name: str, setting: Setting) -> Costs:
    torch.set_num_threads(setting.threads)
    counts = costs(setting.build(name), setting.plan()[1])[-1]
    found = {"parameters": counts.parameters, "multiply_adds": counts.multiply_adds}
    for prepare in (forward, step):
        works = [prepare(setting, each) for each in (PLAIN, name)]
        key = prepare.__name__
        found[f"plain_{key}"], found[key] = alternate(setting, works)
    return found


def forward(setting: Setting, name: str) -> Work:
    """Give what computes one batch of windows; it has been done once."""
    device = torch.device(setting.device)
    network = setting.build(name)
    predictor = Predictor(network, device, precision=resolve_precision("auto", device))
    windows: list[Window] = list(setting.noise().numpy())
    if network.config.surroundings is not None:
        # Of a feature that is there already: in a segmentation many windows share a cell.
        grid = network.config.surroundings.hooks(Box.whole(windows[0].shape[1:])).shape
        hook = torch.zeros(network.config.hook_channels, *grid)
        windows = [Surrounded(window, hook) for window in windows]
    predictor.compute(windows)
    return lambda: predictor.compute(windows)


def step(setting: Setting, name: str) -> Work:
    """Give what makes one training step, as `training.loop` does; it has been done once."""
    device = torch.device(setting.device)
    network = setting.build(name).to(device).train()
    lay_out(network)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    image = setting.noise().to(device)
    target = (image[:, 0] > 0).byte() + 1
    coarse = blank_surroundings(network.config, image)

    half = bfloat16_trains(device, image.ndim - 2)

    def make() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = network(channels_last(image), coarse)
        loss = deep_supervision_loss(logits, target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimiser.step()

    make()
    return make


def alternate(setting: Setting, works: Sequence[Work]) -> list[float]:
    """Time works in turn, three times or more; give the median of each."""
    rounds: list[list[float]] = []
    while len(rounds) < 3 or sum(map(sum, rounds)) < setting.seconds / 2:
        clocks = [setting.clock()]
        for work in works:
            work()
            clocks.append(setting.clock())
        rounds.append([end - start for start, end in itertools.pairwise(clocks)])
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def heading(setting: Setting, plain: Costs) -> list[str]:
    """Say what the plain U-Net takes, and where; begin the table."""
    topology, patch = setting.plan()
    by, steps = (" x ".join(map(str, values)) for values in (patch, topology.total_stride))
    takes = (f"{plain[of]:.3f} s and {plain[f'{of}_memory'] / 2**20:.0f} MiB" for of in PARTS)
    return [
        f"### {setting.image}: {by} voxels",
        "",
        f"{machine(setting)}, PyTorch {torch.__version__}. Batch {BATCH[setting.device]}; "
        f"{topology.levels} levels down to 1/{steps} with {topology.features} features. "
        f"`{PLAIN}` takes {' forward, '.join(takes)} for a training step.",
        "",
        "| network | 10^6 parameters | 10^9 multiply-adds | forward: time | memory | "
        "training step: time | memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]


def machine(setting: Setting) -> str:
    if setting.device == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.+)", cpuinfo.read_text() if cpuinfo.exists() else "")
    name = named[1] if named else platform.processor()
    return f"{name}, {setting.threads} thread{'s' * (setting.threads > 1)}"


def row(name: str, found: Costs | str, plain: Costs) -> str:
    """Set times and memory in proportion to those of the plain U-Net."""
    if isinstance(found, str):
        return f"| `{name}` {'| - ' * 6}|"
    cells = [found["parameters"] / 1e6, found["multiply_adds"] / 1e9]
    for of in PARTS:
        cells.append(found[of] / found[f"plain_{of}"])
        cells.append(found[f"{of}_memory"] / plain[f"{of}_memory"])
    return f"| `{name}` | {' | '.join(f'{cell:.2f}' for cell in cells)} |"


if __name__ == "__main__":
    main()
