"""Compare two worker processes on two cores with one process that has one thread.

Usage: python benchmarks/workers.py [--shape 256,512,512] [--features 16,32] [--rounds 2]

Both segment the same volume in turn, started from the command line: loading and starting count.
The best time of each is taken; an efficiency of 1 would be half the time.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from segment_memory import numbers, write_model, write_volume

ONE, TWO = ("--threads", "1"), ("--workers", "2")


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = write_model(folder / "model", options.features)
        image = write_volume(folder / "image.ome.zarr", options.shape)
        command = [str(image), "--model", str(model), "--out", str(folder / "labels.ome.zarr")]
        took: dict[tuple[str, ...], list[float]] = {ONE: [], TWO: []}
        for _ in range(options.rounds):
            for how, seconds in took.items():
                seconds.append(timed([*command, *how], folder / "labels.ome.zarr"))
    one, two = (min(seconds) for seconds in took.values())
    sys.stdout.write("| shape | one thread, s | two workers, s | efficiency |\n")
    sys.stdout.write("| --- | --- | --- | --- |\n")
    shape = " x ".join(map(str, options.shape))
    sys.stdout.write(f"| {shape} | {one:.1f} | {two:.1f} | {one / two / 2:.2f} |\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=numbers, default=(256, 512, 512))
    parser.add_argument("--features", type=numbers, default=(16, 32))
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args()


def timed(command: list[str], out: Path) -> float:
    """Run ``ziggurat segment`` anew, and say how long it took."""
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "napari_ziggurat", "segment", *command],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
