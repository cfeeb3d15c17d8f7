"""Measure how long importing the package and asking for help take.

Usage: python benchmarks/startup.py [--repeat N]

Each is run in fresh interpreters, after one run that fills the disk cache and writes byte code. The
targets are the project's: import < 0.2 s beyond Python itself, ``ziggurat --help`` < 0.7 s.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

CASES = {
    "python itself": ["-c", "pass"],
    "import napari_ziggurat": ["-c", "import napari_ziggurat"],
    "ziggurat --help": ["-m", "napari_ziggurat", "--help"],
    "ziggurat segment --help": ["-m", "napari_ziggurat", "segment", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=11)
    repeat = parser.parse_args().repeat
    sys.stdout.write("| what | median, s | fastest, s |\n| --- | --- | --- |\n")
    for name, arguments in CASES.items():
        seconds = measure(arguments, repeat)
        row = f"| {name} | {statistics.median(seconds):.3f} | {min(seconds):.3f} |\n"
        sys.stdout.write(row)


def measure(arguments: Sequence[str], repeat: int) -> list[float]:
    return [run(arguments) for _ in range(repeat + 1)][1:]


def run(arguments: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
