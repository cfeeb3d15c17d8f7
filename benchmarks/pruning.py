"""Measure UNet++ at each depth that ``ziggurat segment --depth`` takes; print a table of Markdown.

    python benchmarks/pruning.py [--minutes 2] [--seconds 5]

Time: one window of a plane and one of a volume whose sections are 2.5 times thicker than its
pixels, with the pyramid that the planner gives, computed as ``segment`` computes it, on one thread.
The depths take turns, and it is the processor's time that is counted. Weights are random: time
does not depend on them. Dice: UNet++ is trained for some minutes on one drawn plane, the whole of
it, and compared with the truth of three others.
"""

import argparse
import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Picture
from torch import nn

from napari_ziggurat import finish
from napari_ziggurat.evaluation.metrics import Confusion
from napari_ziggurat.geometry import Spacing
from napari_ziggurat.images import image_from_array, open_image
from napari_ziggurat.images.samples import draw_plane
from napari_ziggurat.inference.predictor import Predictor, resolve_precision
from napari_ziggurat.networks import Topology, configure_network, create_network, load_model
from napari_ziggurat.networks.pruning import prune
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import segment_image
from napari_ziggurat.runs.train import train
from napari_ziggurat.training.planner import Machine, Wishes, design

CPU = torch.device("cpu")
IMAGES = {2: ((512, 512), (1.0, 1.0)), 3: ((64, 256, 256), (2.5, 1.0, 1.0))}
WISHES = {2: Wishes(patch=(256, 256), depth=5), 3: Wishes(patch=(32, 96, 96), depth=5)}
HELD_OUT = 3  # planes


@dataclass(frozen=True)
class Depth:
    """UNet++ at one depth, in 2D or 3D."""

    dims: int
    depth: int
    stride: tuple[int, ...]
    parameters: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="of training; 0 for none")
    parser.add_argument("--seconds", type=float, default=5.0, help="of timing, for each depth")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for dims in IMAGES for row in measure(dims, options.seconds)]
    dice = trained(options.minutes) if options.minutes else {}
    for line in table(rows, dice):
        sys.stdout.write(line + "\n")


def measure(dims: int, seconds: float) -> list[Depth]:
    topology, window = plan(dims)
    whole = create_network(configure_network("unetpp", topology)).eval()
    most = topology.levels - 1
    pruned = {depth: prune(whole, depth) for depth in range(1, most + 1)}
    counts = {d: sum(p.numel() for p in network.parameters()) for d, network in pruned.items()}
    grey = np.random.default_rng(0).standard_normal((1, 1, *window), np.float32)
    times = alternate({d: forward(network, grey) for d, network in pruned.items()}, seconds)
    return [Depth(dims, d, pruned[d].stride, counts[d], times[d]) for d in pruned]


def forward(network: nn.Module, windows: NDArray[np.float32]) -> Callable[[], object]:
    """Give what computes a batch as ``segment`` does, on a copy of the network."""
    precision = resolve_precision("auto", CPU)
    predictor = Predictor(copy.deepcopy(network), CPU, precision=precision, threads=1)
    torch.set_num_threads(1)
    return partial(predictor.compute, windows)


def plan(dims: int) -> tuple[Topology, tuple[int, ...]]:
    """Give the pyramid that the planner chooses, and its patch."""
    shape, spacing = IMAGES[dims]
    planned = design([shape], Spacing(spacing), Machine(gpu=False, memory=2**36), WISHES[dims])
    return planned.topology(in_channels=1, out_channels=4), planned.patch


def alternate(works: dict[int, Callable[[], object]], seconds: float) -> dict[int, float]:
    """Time works in turn; give the median of each, the first left out."""
    times: dict[int, list[float]] = {name: [] for name in works}
    while sum(map(sum, times.values())) < seconds * len(works) or len(times[1]) < 4:
        for name, work in works.items():
            start = time.process_time()
            work()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def trained(minutes: float) -> dict[int, float]:
    """Train on one plane; give the mean Dice on others at each depth."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = draw_plane()
        for what, voxels in (("image", drawn.image), ("labels", drawn.labels)):
            Picture.fromarray(voxels).save(folder / f"{what}.png")
        values = {"image": [folder / "image.png"], "labels": [folder / "labels.png"]}
        more = {"network": "unetpp", "depth": 5, "minutes": minutes, "device": "cpu"}
        finish(train(TrainConfig.model_validate({**values, **more, "out": folder / "model"})))
        return {depth: dice(folder, depth) for depth in range(1, 5)}


def dice(folder: Path, depth: int) -> float:
    """Segment planes that were not trained on; pool their voxels."""
    model, options = load_model(folder / "model"), SegmentOptions(depth=depth, device="cpu")
    confusion = Confusion.empty()
    for seed in range(1, HELD_OUT + 1):
        drawn, out = draw_plane(seed=seed), folder / f"{depth}-{seed}.ome.zarr"
        finish(segment_image(image_from_array(drawn.image, axes="yx"), model, options, out))
        found = np.asarray(open_image(out).arrays[0][...])
        confusion = confusion + Confusion.count(drawn.labels, found)
    return confusion.mean_dice or 0.0


def table(rows: list[Depth], dice: dict[int, float]) -> list[str]:
    """Set parameters and times in proportion to those of the whole network."""
    lines = [
        "| window | depth | stride | parameters | time | Dice |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        whole = max((r for r in rows if r.dims == row.dims), key=lambda r: r.depth)
        score = f"{dice[row.depth]:.3f}" if row.dims == 2 and row.depth in dice else ""
        cells = (
            " x ".join(map(str, plan(row.dims)[1])),
            str(row.depth),
            " x ".join(map(str, row.stride)),
            f"{row.parameters / whole.parameters:.3f}",
            f"{row.seconds / whole.seconds:.2f}",
            score,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
