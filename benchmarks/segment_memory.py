"""Measure peak memory and speed of ``ziggurat segment`` while the volume grows.

Usage: python benchmarks/segment_memory.py [--shape 64,256,256] [--factors 1,4] [--features 16,32]

Writes volumes of noise, each some times larger than the first, and segments each in a process of
its own with a network of random weights: memory and speed do not depend on what it has learned.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CHUNK, SHARD = (32, 64, 64), (64, 256, 256)


@dataclass(frozen=True)
class Measured:
    """One segmentation."""

    shape: tuple[int, ...]
    seconds: float
    peak_bytes: int

    def row(self) -> str:
        """Give a row of Markdown."""
        voxels = float(np.prod(self.shape))
        cells = (
            " x ".join(map(str, self.shape)),
            f"{voxels / 1e6:.0f}",
            f"{self.seconds:.1f}",
            f"{voxels / 1e6 / self.seconds:.2f}",
            f"{self.peak_bytes / 2**20:.0f}",
        )
        return f"| {' | '.join(cells)} |"


def main() -> None:
    options = parse()
    sys.stdout.write("| shape | 10^6 voxels | s | 10^6 voxels per s | peak memory, MiB |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- |\n")
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder) / "model", options.features)
        for factor in options.factors:
            measured = measure(Path(folder), model, grown(options.shape, factor))
            sys.stdout.write(measured.row() + "\n")
            sys.stdout.flush()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=numbers, default=(64, 256, 256))
    parser.add_argument("--factors", type=numbers, default=(1, 4, 16))
    parser.add_argument("--features", type=numbers, default=(16, 32, 64))
    return parser.parse_args()


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def grown(shape: tuple[int, ...], factor: int) -> tuple[int, ...]:
    """Double the shortest axis until there are ``factor`` times as many voxels."""
    lengths = list(shape)
    while factor > 1:
        lengths[lengths.index(min(lengths))] *= 2
        factor //= 2
    return tuple(lengths)


def measure(folder: Path, model: Path, shape: tuple[int, ...]) -> Measured:
    name = "x".join(map(str, shape))
    image = write_volume(folder / f"{name}.ome.zarr", shape)
    out = f"{folder}/{name}-labels.zarr"
    command = ["segment", str(image), "--model", str(model), "--out", out]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "napari_ziggurat", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"ziggurat {' '.join(command)} failed")
    return Measured(shape, time.perf_counter() - start, usage.ru_maxrss * 1024)


def write_volume(path: Path, shape: tuple[int, ...]) -> Path:
    from napari_ziggurat.geometry import Axes, BlockGrid, Box, Spacing
    from napari_ziggurat.images import OutputGrid, create_output, fill_coarser

    rng = np.random.default_rng(0)
    spacing = Spacing((1.0, 1.0, 1.0), "um")
    origin = (0.0, 0.0, 0.0)
    grid = OutputGrid(Axes("zyx"), shape, np.dtype(np.uint8), spacing, origin, CHUNK, SHARD)
    array = create_output(path, grid, kind="image")[0]
    for block in BlockGrid(Box.whole(shape), SHARD):
        box = block.write_box
        array[box.slices] = rng.integers(0, 256, box.shape, np.uint8)
    for _ in fill_coarser(path, "image"):
        pass
    return path


def write_model(folder: Path, features: Sequence[int]) -> Path:
    from napari_ziggurat.classes import default_classes
    from napari_ziggurat.networks import (
        Intensity,
        Model,
        ModelSpec,
        Topology,
        configure_network,
        create_network,
        save_model,
    )

    topology = Topology(
        dims=3,
        in_channels=1,
        out_channels=3,
        features=tuple(features),
        strides=((1, 1, 1), *((2, 2, 2),) * (len(features) - 1)),
        kernels=((3, 3, 3),) * len(features),
    )
    spec = ModelSpec(
        network=configure_network("residual_unet", topology),
        task="semantic",
        classes=default_classes((0, 1, 2)),
        channels=("channel 0",),
        axes="zyx",
        spacing=(1.0, 1.0, 1.0),
        unit="um",
        intensity=Intensity(low=(0.0,), high=(255.0,), mean=(128.0,), std=(74.0,)),
        window=(64, 128, 128),
        rim=(16, 16, 16),
    )
    save_model(Model(spec, create_network(spec.network).eval()), folder)
    return folder


if __name__ == "__main__":
    main()
