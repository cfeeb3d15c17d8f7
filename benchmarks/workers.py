"""Compare two worker processes on two cores with one process that has one thread.

Usage: python benchmarks/workers.py [--shape 256,512,1024] [--features 16,32] [--rounds 1]

Both segment the same volume in turn, started from the command line: loading and starting count.
The best time of each is taken; an efficiency of 1 would be half the time. Before and after, the
same network computes windows and nothing else, in one process and in two that know nothing of each
other: what two cores make of twice one core on this machine, which no worker can surpass.
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
BARE_SECONDS = 20.0


def main() -> None:
    options = parse()
    if options.bare:
        sys.stdout.write(f"{windows_per_second(options.bare)}\n")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = write_model(folder / "model", options.features)
        image = write_volume(folder / "image.ome.zarr", options.shape)
        command = [str(image), "--model", str(model), "--out", str(folder / "labels.ome.zarr")]
        took: dict[tuple[str, ...], list[float]] = {ONE: [], TWO: []}
        scaling = [bare_scaling(model)]
        for _ in range(options.rounds):
            for how, seconds in took.items():
                seconds.append(timed([*command, *how], folder / "labels.ome.zarr"))
            scaling.append(bare_scaling(model))
    one, two = (min(seconds) for seconds in took.values())
    bare = " and ".join(f"{each:.2f}" for each in scaling)
    sys.stdout.write("| shape | one thread, s | two workers, s | efficiency | the cores alone |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- |\n")
    shape = " x ".join(map(str, options.shape))
    sys.stdout.write(f"| {shape} | {one:.1f} | {two:.1f} | {one / two / 2:.2f} | {bare} |\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=numbers, default=(256, 512, 1024))
    parser.add_argument("--features", type=numbers, default=(16, 32))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bare", metavar="MODEL", help=argparse.SUPPRESS)
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


def bare_scaling(model: Path) -> float:
    """Give what two processes that compute make of twice what one makes."""
    (one,) = bare_rates(model, 1)
    return sum(bare_rates(model, 2)) / one / 2


def bare_rates(model: Path, count: int) -> list[float]:
    command = [sys.executable, __file__, "--bare", str(model)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    return [float(process.communicate()[0]) for process in running]


def windows_per_second(model: str) -> float:
    """Compute windows in this process with one thread, as a worker does."""
    from napari_ziggurat.inference.allocator import keep_freed_memory

    keep_freed_memory()
    import numpy as np
    import torch

    from napari_ziggurat.inference.predictor import Predictor, resolve_precision
    from napari_ziggurat.networks import load_model

    loaded, device = load_model(Path(model)), torch.device("cpu")
    window = np.random.default_rng(0).normal(size=(1, *loaded.spec.window)).astype(np.float32)
    precision = resolve_precision("auto", device)
    with Predictor(loaded.network, device, precision=precision, threads=1) as predictor:
        count, began = -1, 0.0  # the first one is not counted
        while count < 0 or time.perf_counter() - began < BARE_SECONDS:
            predictor.submit(lambda: window, lambda logits: None).result()
            count += 1
            began = began or time.perf_counter()
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
