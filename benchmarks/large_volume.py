"""Open, plan, segment and gate a volume of 10^11 voxels of which almost nothing is stored.

Usage: python benchmarks/large_volume.py [--side 4642] [--filled 4] [--steps 250 | --model FOLDER]

Writes an OME-Zarr of three levels in chunks of 128 voxels a side and shards of 512, all of them
missing but a few that hold the balls of `gate.py`, and segments all of it with the network that
is taught there, without and with a gate. A table of the steps on stdout.
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
from gate import draw, taught
from numpy.typing import NDArray

from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import OutputGrid, create_output, open_image
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import SegmentResult, segment_image
from napari_ziggurat.runs.session import Session

CHUNK, SHARD = 128, 512
DOWNSAMPLINGS = ((2,) * 3, (4,) * 3)
SHARE = 0.03  # of foreground where there is something
GATED = SegmentOptions(gate="auto")


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = load_model(options.model or taught(folder, options.steps, blank=0.2))
        row("step", "s")
        row("---", "---")
        measure(folder, model, options)
    row("peak memory, MiB", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=4642)
    parser.add_argument("--filled", type=int, default=4, help="chunks that hold something")
    parser.add_argument("--steps", type=int, default=250, help="of training")
    parser.add_argument("--model", type=Path, help="a calibrated one, such as gate.py keeps")
    return parser.parse_args()


def measure(folder: Path, model: Model, options: argparse.Namespace) -> None:
    """Time each step and print it."""
    path = folder / "volume.ome.zarr"
    write_volume(path, options.side, options.filled)
    with timed(f"open ({options.side}^3 voxels, {options.filled} chunks stored)"):
        image = open_image(path)
    with timed("plan"), Session(model, SegmentOptions()) as session:
        session.plan(image)
    found = {}
    for what, how in (("dense", SegmentOptions()), ("gated", GATED)):
        out = folder / f"{what}.ome.zarr"
        with timed(f"segment, {what}, with the pyramid"):
            result = followed(segment_image(image, model, how, out))
        (tally,) = result.windows.values()
        row(f"windows computed, {what}", str(tally.computed))
        row(f"windows of one value, {what}", str(tally.constant))
        found[what] = labels_of_chunks(out, options)
    dense, gated = found["dense"] > 0, found["gated"] > 0
    row("foreground of the dense run", str(np.count_nonzero(dense)))
    row("recall of the gated run", f"{np.count_nonzero(dense & gated) / dense.sum():.5f}")


def write_volume(path: Path, side: int, filled: int) -> None:
    """Make an image of which only chunks along its diagonal are stored."""
    grid = OutputGrid(
        Axes("zyx"), (side,) * 3, np.dtype(np.uint8), Spacing((1.0,) * 3, "um"), (0.0,) * 3,
        (CHUNK,) * 3, (SHARD,) * 3, downsamplings=DOWNSAMPLINGS,
    )  # fmt: skip
    levels = create_output(path, grid, kind="image")[: 1 + len(DOWNSAMPLINGS)]
    for number, start in enumerate(starts(side, filled)):
        grey, _ = draw(CHUNK, SHARE, seed=number)
        for array, factor in zip(levels, (1, 2, 4), strict=True):
            first, length = start // factor, CHUNK // factor
            array[(slice(first, first + length),) * 3] = coarser(grey, factor)


def starts(side: int, filled: int) -> list[int]:
    """First voxel of each chunk that is stored, the same along all axes."""
    return [(side // CHUNK) * number // max(1, filled) * CHUNK for number in range(filled)]


def coarser(grey: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    length = CHUNK // factor
    return grey.reshape((length, factor) * 3).mean(axis=(1, 3, 5)).astype(np.uint8)


def labels_of_chunks(out: Path, options: argparse.Namespace) -> NDArray[np.uint8]:
    """Read the labels where something is stored."""
    array = open_image(out).arrays[0]
    return np.stack(
        [array[(slice(a, a + CHUNK),) * 3] for a in starts(options.side, options.filled)]
    )


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
