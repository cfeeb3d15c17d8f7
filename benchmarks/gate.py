"""Measure what a coarse-to-fine gate saves and what it misses, beside the dense run.

Usage: python benchmarks/gate.py [--side 512] [--shares 0.001,0.01,0.2] [--steps 600]
                                 [--folder FOLDER]

Bright balls of 7 voxels' radius in noise, in clusters where they are few. A small U-Net is taught
on one volume, at three levels of its pyramid, and calibrated on another one; what is measured are
volumes that it has not seen. Recall is told twice: of the voxels of balls that the dense run finds,
and of everything that it calls foreground, specks in the noise among it. A table on stdout, what
the runs say on stderr.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_ziggurat.classes import default_classes
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import OutputGrid, create_output, fill_coarser, open_image
from napari_ziggurat.networks import (
    Intensity,
    Model,
    ModelSpec,
    Topology,
    configure_network,
    create_network,
    save_model,
)
from napari_ziggurat.networks.norms import reestimate_statistics
from napari_ziggurat.progress import Run, finish
from napari_ziggurat.runs.calibrate import calibrate
from napari_ziggurat.runs.config import CalibrateConfig, SegmentConfig
from napari_ziggurat.runs.segment import SegmentResult, segment

RADIUS = 7
LEVELS = 3
FEATURES = (8, 16, 32)
PATCH, BATCH = 32, 4
TAUGHT_SHARE = 0.03


@dataclass(frozen=True)
class Volume:
    """Grey values and truth, as OME-Zarrs with a pyramid."""

    image: Path
    labels: Path


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        model = taught(folder, options.steps)
        row("foreground", "dense, s", "gated, s", "times faster", "windows", "of",
            "recall of balls", "recall of labels", "missed, 95 %",
            "Dice dense", "Dice gated", "tile")  # fmt: skip
        row(*["---"] * 12)
        for share in map(float, options.shares.split(",")):
            volume = write_volume(folder, f"test-{share}", options.side, share, seed=7)
            row(*measured(volume, model, folder / f"out-{share}", share))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--shares", default="0.001,0.01,0.2")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--folder", help="keep model, volumes and outputs here")
    return parser.parse_args()


def measured(volume: Volume, model: Path, out: Path, share: float) -> Sequence[str]:
    """Segment with and without a gate; give the cells of a row."""
    found = {}
    for gate in ("off", "auto"):
        config = SegmentConfig.create(
            {"image": volume.image, "model": model, "out": Path(f"{out}-{gate}.ome.zarr"),
             "level": 0, "gate": gate, "overwrite": True}
        )  # fmt: skip
        began = time.monotonic()
        result = followed(segment(config))
        found[gate] = (result, time.monotonic() - began, labels_of(config.out) > 0)
    (_, dense, everything), (result, gated, some) = found["off"], found["auto"]
    (told,) = result.gates.values()
    truth = labels_of(volume.labels) > 0
    audit = told["audit"]
    return (
        f"{share:.1%}", f"{dense:.0f}", f"{gated:.0f}", f"{dense / gated:.1f}",
        str(told["windows"]), str(told["dense windows"]),
        f"{share_of(some, everything & truth):.5f}", f"{share_of(some, everything):.5f}",
        f"{audit['missed']:.0f} ({audit['low']:.0f} to {audit['high']:.0f})",
        f"{dice(everything, truth):.4f}", f"{dice(some, truth):.4f}", str(told["tile"]),
    )  # fmt: skip


def share_of(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(found & wanted) / max(1, np.count_nonzero(wanted)))


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    both = np.count_nonzero(found & truth)
    return float(2 * both / (np.count_nonzero(found) + np.count_nonzero(truth)))


def labels_of(out: Path) -> NDArray[np.uint8]:
    return np.asarray(open_image(out).arrays[0][...])


def followed(run: Run[SegmentResult]) -> SegmentResult:
    """Run to the end and tell on stderr what is said."""
    while True:
        try:
            step = next(run)
        except StopIteration as stop:
            result: SegmentResult = stop.value
            return result
        if step.message:
            sys.stderr.write(f"{step.stage}: {step.message}\n")


def write_volume(folder: Path, name: str, side: int, share: float, seed: int) -> Volume:
    """Write balls in noise, unless they are there."""
    volume = Volume(folder / f"{name}.ome.zarr", folder / f"{name}-labels.ome.zarr")
    if volume.labels.exists():
        return volume
    grey, truth = draw(side, share, seed)
    write(volume.image, grey, "image")
    write(volume.labels, truth, "labels")
    return volume


def draw(side: int, share: float, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw balls in noise: grey values, and where the balls are."""
    rng = np.random.default_rng(seed)
    truth = balls(side, share, rng)
    grey = 100 + 45 * ndimage.gaussian_filter(truth.astype(np.float32), 1)
    grey += 4 * ndimage.zoom(rng.normal(size=(side // 32,) * 3), 32, order=1).astype(np.float32)
    grey += rng.normal(0, 20, grey.shape).astype(np.float32)
    return np.clip(grey, 0, 255).astype(np.uint8), truth


def balls(side: int, share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw balls; one cluster for each tenth of a per cent, and no clusters from five on."""
    ball = np.linalg.norm(np.indices((2 * RADIUS + 1,) * 3) - RADIUS, axis=0) <= RADIUS
    truth = np.zeros((side,) * 3, np.uint8)
    centres = rng.uniform(0.15 * side, 0.85 * side, (max(1, round(share * 500)), 3))
    while np.count_nonzero(truth) < share * truth.size:
        for _ in range(max(1, int(share * truth.size / ball.sum() / 8))):
            place = rng.uniform(RADIUS + 1, side - RADIUS - 1, 3)
            if share < 0.05:
                place = rng.choice(centres) + rng.normal(0, 0.05 * side, 3)
            start = np.clip(place.astype(int), RADIUS, side - RADIUS - 1) - RADIUS
            here = tuple(slice(a, a + 2 * RADIUS + 1) for a in start)
            truth[here] |= ball
    return truth


def write(path: Path, voxels: NDArray[np.uint8], kind: str) -> None:
    side = voxels.shape[0]
    grid = OutputGrid(
        Axes("zyx"), voxels.shape, np.dtype(np.uint8), Spacing((1.0,) * 3, "um"), (0.0,) * 3,
        (64,) * 3, (min(192, -(-side // 64) * 64),) * 3, downsamplings=((2,) * 3, (4,) * 3),
    )  # fmt: skip
    create_output(path, grid, kind=kind)[0][...] = voxels
    for _ in fill_coarser(path, kind):
        pass


def taught(folder: Path, steps: int, blank: float = 0.0) -> Path:
    """Train and calibrate a small U-Net, unless it is there; it sees a share of blank patches."""
    path = folder / "model"
    if (path / "model.json").exists():
        return path
    began = time.monotonic()
    model = make_model()
    train(model, write_volume(folder, "train", 192, TAUGHT_SHARE, seed=0), steps, blank)
    save_model(model, path)
    volume = write_volume(folder, "calibration", 192, TAUGHT_SHARE, seed=1)
    values = {
        "model": path,
        "image": [volume.image],
        "labels": [volume.labels],
        "levels": [0, 1, 2],
    }
    result = finish(calibrate(CalibrateConfig.create(values)))
    sys.stderr.write(f"{result.render()}\nmodel: {time.monotonic() - began:.0f} s\n")
    return path


def make_model() -> Model:
    torch.manual_seed(0)
    topology = Topology(
        dims=3, in_channels=1, out_channels=2, features=FEATURES,
        strides=((1,) * 3, *((2,) * 3,) * (len(FEATURES) - 1)), kernels=((3,) * 3,) * len(FEATURES),
    )  # fmt: skip
    config = configure_network("residual_unet", topology)
    spec = ModelSpec(
        network=config, task="semantic", classes=default_classes((0, 1)), channels=("grey",),
        axes="zyx", spacing=(1.0,) * 3, unit="um", window=(80,) * 3, rim=(16,) * 3,
        intensity=Intensity((0.0,), (255.0,), (105.0,), (25.0,)),
    )  # fmt: skip
    return Model(spec, create_network(config))


def train(model: Model, volume: Volume, steps: int, blank: float) -> None:
    """Teach the network patches of all levels, and that what is not stored is background."""
    grey, truth = (
        [np.asarray(array[...]) for array in open_image(path).arrays[:LEVELS]]
        for path in (volume.image, volume.labels)
    )
    # Steps with tiny gradients take ten times as long otherwise; it holds for this thread alone.
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    rng, network = np.random.default_rng(0), model.network.train()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, steps)
    for _ in range(steps):
        x, y = batch(model, grey, truth, rng)
        if blank and rng.random() < blank:
            x[0], y[0] = float(model.spec.intensity.apply(np.zeros((1, 1), np.uint8))[0, 0]), 0
        optimiser.zero_grad()
        found = network(x)
        loss = loss_of(found[0] if isinstance(found, list) else found, y)
        loss.backward()
        optimiser.step()
        schedule.step()
    statistics = [batch(model, grey, truth, rng)[0] for _ in range(8)]
    reestimate_statistics(network, statistics)
    network.eval()


def batch(
    model: Model,
    grey: Sequence[NDArray[np.uint8]],
    truth: Sequence[NDArray[np.uint8]],
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give patches, half of them around foreground."""
    patches = []
    for n in range(BATCH):
        level = int(rng.integers(LEVELS))
        size = truth[level].shape[0] - PATCH
        start = rng.integers(0, size + 1, 3)
        if n % 2:
            places = np.argwhere(truth[level])
            start = np.clip(places[rng.integers(len(places))] - PATCH // 2, 0, size)
        here = tuple(slice(a, a + PATCH) for a in start)
        patches.append((model.spec.intensity.apply(grey[level][here][None]), truth[level][here]))
    images, labels = zip(*patches, strict=True)
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels).astype(np.int64))


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy and soft Dice of the foreground."""
    found = logits.softmax(1)[:, 1]
    dice = 1 - (2 * (found * labels).sum() + 1) / (found.sum() + labels.sum() + 1)
    return torch.nn.functional.cross_entropy(logits, labels) + dice


def row(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
