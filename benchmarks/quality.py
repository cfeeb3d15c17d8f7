"""Train, segment and evaluate real data sets on the command line; print a row of Markdown for each.

    python benchmarks/quality.py DATA OUT --minutes 2 [--only SET ...] [--strokes SCRIPT]

DATA holds one folder per data set with train/ and val/. With ``--strokes`` training sees strokes
only, made by that script (``SCRIPT LABELS OUT --fraction 0.01 --seed N``) from the labels.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataSet:
    """Where images, labels and masks lie below a split, and how to train on them."""

    image: str = "images"
    labels: str = "labels"
    mask: str = ""
    task: str = "semantic"

    def paths(self, folder: Path, split: str) -> dict[str, Path]:
        """Give the paths of one split."""
        parts = {"image": self.image, "labels": self.labels, "mask": self.mask}
        return {key: folder / split / name.format(split=split) for key, name in parts.items()}


SETS = {
    "em_membrane_2d": DataSet(),
    "em_neuropil_3d": DataSet("image_{split}.ome.tif", "labels_{split}.ome.tif"),
    "ct_headneck_3d": DataSet(),
    "nuclei_fluo_2d": DataSet(task="foreground"),
    "retina_vessels_2d": DataSet(mask="fov"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--strokes", type=Path, help="script that simulates strokes")
    options = parser.parse_args()
    print(
        f"| data set | minutes, {os.cpu_count()} cores | mean Dice | Dice by class | segment, s |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name in options.only:
        print(measure(name, options), flush=True)


def measure(name: str, options: argparse.Namespace) -> str:
    """Train on the training split, segment the validation split, evaluate it."""
    chosen, folder = SETS[name], options.out / name
    train, val = (chosen.paths(options.data / name, split) for split in ("train", "val"))
    truth = ["--labels", train["labels"]]
    if options.strokes:
        truth = ["--annotation", draw(train, chosen, folder, options)]
    more = ["--task", chosen.task, "--minutes", options.minutes, "--seed", options.seed]
    run("train", "--image", train["image"], *truth, "--out", folder / "model", *more)
    started = time.monotonic()
    out = folder / ("labels" if val["image"].is_dir() else "labels.tif")
    run("segment", val["image"], "--model", folder / "model", "--out", out)
    seconds = time.monotonic() - started
    mask = ["--mask", val["mask"]] if chosen.mask else []
    scores = json.loads(run("evaluate", out, val["labels"], *mask))
    classes = ", ".join(f"{c['dice']:.3f}" for c in scores["classes"].values())
    return (
        f"| {name} | {options.minutes:g} | {scores['mean_dice']:.3f} | {classes} | {seconds:.0f} |"
    )


def draw(
    train: dict[str, Path], chosen: DataSet, folder: Path, options: argparse.Namespace
) -> Path:
    """Simulate strokes on one percent of the voxels of each training image."""
    files = sorted(train["labels"].iterdir()) if train["labels"].is_dir() else [train["labels"]]
    strokes = folder / "strokes"
    strokes.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(files):
        command = [options.strokes, path, strokes / path.name, "--fraction", 0.01]
        command += ["--seed", options.seed + number]
        command += ["--instances"] if chosen.task == "foreground" else []
        command += ["--mask", train["mask"] / path.name] if chosen.mask else []
        subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    return strokes if train["labels"].is_dir() else strokes / files[0].name


def run(*arguments: object) -> str:
    """Run one command of the command line and give back its JSON."""
    command = [sys.executable, "-m", "napari_ziggurat", *map(str, arguments), "--json"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    return done.stdout


if __name__ == "__main__":
    main()
