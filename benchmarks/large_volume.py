"""Open, plan and segment a volume of 10^11 voxels of which almost nothing is stored.

Usage: python benchmarks/large_volume.py [--side 4642] [--filled 4] [--features 8,16]

Writes a zarr array of chunks of 128 voxels a side in shards of 512, all of them missing but a few
that hold noise, and segments all of it with a network of random weights that leans to background:
what is measured does not depend on what a network has learned. A table of the steps on stdout.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import zarr

from napari_ziggurat.classes import default_classes
from napari_ziggurat.images import open_image
from napari_ziggurat.networks import (
    Intensity,
    Model,
    ModelSpec,
    Topology,
    configure_network,
    create_network,
)
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.options import SegmentOptions
from napari_ziggurat.runs.segment import SegmentResult, segment_image
from napari_ziggurat.runs.session import Session

CHUNK, SHARD = 128, 512


def main() -> None:
    options = parse()
    row("step", "s")
    row("---", "---")
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)
    row("peak memory, MiB", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=4642)
    parser.add_argument("--filled", type=int, default=4, help="chunks that hold something")
    parser.add_argument("--features", default="8,16")
    return parser.parse_args()


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Time each step and print it."""
    write_volume(folder / "volume.zarr", options.side, options.filled)
    model = make_model(tuple(map(int, options.features.split(","))))
    with timed(f"open ({options.side}^3 voxels, {options.filled} chunks stored)"):
        image = open_image(folder / "volume.zarr", axes="zyx")
    with timed("plan"), Session(model, SegmentOptions()) as session:
        session.plan(image)
    with timed("segment, with the pyramid"):
        result = followed(segment_image(image, model, SegmentOptions(), folder / "out.ome.zarr"))
    (tally,) = result.windows.values()
    row("windows computed", str(tally.computed))
    row("windows of one value", str(tally.constant))


def write_volume(path: Path, side: int, filled: int) -> None:
    """Make the array, and fill chunks along its diagonal."""
    array = zarr.create_array(
        path, shape=(side,) * 3, chunks=(CHUNK,) * 3, shards=(SHARD,) * 3, dtype=np.uint8
    )
    noise = np.random.default_rng(0).integers(0, 255, (CHUNK,) * 3, dtype=np.uint8)
    for number in range(filled):
        start = (side // CHUNK) * number // max(1, filled) * CHUNK
        array[(slice(start, start + CHUNK),) * 3] = noise


def make_model(features: tuple[int, ...]) -> Model:
    """Make a network that takes a window without a voxel for background."""
    topology = Topology(
        dims=3, in_channels=1, out_channels=2, features=features,
        strides=((1,) * 3, *((2,) * 3,) * (len(features) - 1)), kernels=((3,) * 3,) * len(features),
    )  # fmt: skip
    config = configure_network("residual_unet", topology)
    network = create_network(config)
    for name, parameter in network.named_parameters():
        if name.endswith("bias") and parameter.shape == (2,):
            parameter.data[0] += 10
    spec = ModelSpec(
        network=config, task="semantic", classes=default_classes((0, 1)), channels=("grey",),
        axes="zyx", spacing=(1.0,) * 3, unit=None, window=(96,) * 3, rim=(16,) * 3,
        intensity=Intensity((0.0,), (255.0,), (100.0,), (50.0,)),
    )  # fmt: skip
    return Model(spec, network.eval())


def followed(run: Run[SegmentResult]) -> SegmentResult:
    """Run to the end and tell on stderr how far it is."""
    last = 0.0
    while True:
        try:
            step = next(run)
        except StopIteration as stop:
            result: SegmentResult = stop.value
            return result
        if time.monotonic() - last > 5:
            last = time.monotonic()
            told(step)


def told(step: Progress) -> None:
    sys.stderr.write(f"{step.stage} {step.done}/{step.total}\n")


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    row(what, f"{time.monotonic() - began:.1f}")


def row(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
