"""How well is learned from strokes: ours, its levers and plain alternatives, in equal time.

    python benchmarks/learning.py DATA OUT --strokes SCRIPT --minutes 4 --seeds 0,1,2
    python benchmarks/learning.py DATA OUT --strokes SCRIPT --steps 200 --only em_membrane_2d \
        --arms dense,strokes1,forest1 --anchors FOLDER --arms strokes1:unlabelled=1:focal=2

DATA holds index.json, which lists the images and labels of each data set. SCRIPT is a Python file
with ``simulate(labels, fraction, seed, slice_axis, mask)``, ``read`` and ``write``; FOLDER holds
pixel_forest.py and monai_plain.py, which get ``--data --dataset --strokes --seed --threads --out``.

An arm is dense, strokes, forest or monai with the percent of the voxels that strokes cover (1
unless given; monai alone has dense labels), and for ours any options of ``ziggurat train`` after
colons; an arm with options is said in an --arms of its own. ``class-shares=told`` tells the true
shares, and DATASET in a value is the name of the data set. Every run is a JSON in OUT/runs; what is
there is not run again. The table and the figure are made of all JSONs of the same length; --report
makes them alone.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from learning_report import report

KINDS = ("dense", "strokes", "forest", "monai")
ARMS = ["dense,strokes1,forest1,monai,monai1"]


@dataclass(frozen=True)
class Arm:
    """One way to learn: kind, percent of voxels under strokes (0 for dense), more options."""

    name: str
    kind: str
    percent: float
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Arm":
        name, *more = text.split(":")
        found = re.fullmatch(rf"({'|'.join(KINDS)})([\d.]*)", name)
        if found is None:
            sys.exit(
                f"An arm begins with one of {', '.join(KINDS)} and a percentage; got '{text}'."
            )
        kind, percent = found[1], float(found[2] or (1 if found[1] in ("strokes", "forest") else 0))
        pairs = tuple(tuple(each.split("=", 1)) for each in more)
        return cls(text, kind, percent, pairs)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Bench:
    """A data set, and everything that is the same for its runs."""

    name: str
    task: str
    items: list[dict[str, Any]]
    options: argparse.Namespace
    tool: ModuleType

    def split(self, split: str) -> list[dict[str, Any]]:
        return [each for each in self.items if each["split"] == split]

    def path(self, item: dict[str, Any], key: str) -> Path:
        return Path(self.options.data) / item[key]

    def labels(self, item: dict[str, Any]) -> tuple[Any, Any]:
        """Read labels, with objects merged to class 1, and the affine of a NIfTI."""
        labels, affine = self.tool.read(self.path(item, "label"))
        return (labels > 0).astype(np.int64) if self.task == "instance" else labels, affine

    def mask(self, item: dict[str, Any]) -> Any:
        return self.tool.read(self.path(item, "mask"))[0] > 0 if "mask" in item else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--strokes", type=Path, help="script that simulates strokes")
    parser.add_argument("--anchors", type=Path, help="folder of the plain alternatives")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float)
    length.add_argument("--steps", type=int, help="in place of minutes, on a busy machine")
    parser.add_argument(
        "--common", default="", help="options of all our trainings: batch=4:depth=4"
    )
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--only", help="data sets, with commas")
    parser.add_argument("--arms", action="append", help="arms, with commas; or one with options")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--report", action="store_true", help="table and figure of what is there")
    options = parser.parse_args()
    options.minutes = None if options.steps else options.minutes or 4.0
    length_text = f"{options.steps} steps" if options.steps else f"{options.minutes:g} minutes"
    length_text += f", {options.common.replace(':', ', ')}" if options.common else ""
    (options.out / "runs").mkdir(parents=True, exist_ok=True)
    if not options.report:
        for bench in benches(options):
            run_all(bench, length_text)
    print(report(options.out, length_text))


def benches(options: argparse.Namespace) -> list[Bench]:
    """Give the data sets that were asked for."""
    index = json.loads((options.data / "index.json").read_text())
    there = [name for name, entry in index.items() if entry["task"] != "demo"]
    names = options.only.split(",") if options.only else there
    if options.strokes is None or set(names) - set(there):
        sys.exit(f"Give --strokes SCRIPT, and to --only some of {', '.join(there)}.")
    spec = importlib.util.spec_from_file_location("strokes", options.strokes)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return [Bench(n, index[n]["task"], index[n]["items"], options, tool) for n in names]


def run_all(bench: Bench, length: str) -> None:
    """Do what is not done yet, seed by seed, so that all arms have one early."""
    texts = [t for said in bench.options.arms or ARMS for t in _arms(said)]
    for seed in map(int, bench.options.seeds.split(",")):
        for arm in map(Arm.parse, texts):
            key = re.sub(r"[^\w.=,-]+", "_", f"{bench.name}-{arm.name}-{length}-{seed}")
            path = bench.options.out / "runs" / f"{key}.json"
            if path.exists():
                continue
            record = run_one(bench, arm, seed, bench.options.out / "work" / key)
            path.with_suffix(".part").write_text(json.dumps({**record, "length": length}, indent=1))
            path.with_suffix(".part").replace(path)
            print(f"{key}: {record['mean_dice']:.4f} in {record['seconds']:.0f} s", flush=True)


def _arms(said: str) -> list[str]:
    return [said] if ":" in said else said.split(",")


def run_one(bench: Bench, arm: Arm, seed: int, folder: Path) -> dict[str, Any]:
    """Train, predict the validation split and score one arm."""
    began, load = time.monotonic(), os.getloadavg()[0]
    ours = arm.kind in ("dense", "strokes")
    facts, found = (ours_run if ours else plain_run)(bench, arm, seed, folder)
    return {
        "dataset": bench.name, "arm": arm.name, "seed": seed, "threads": bench.options.threads,
        **score(bench, found), "training": facts, "seconds": time.monotonic() - began,
        "load_before": load, "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip


def ours_run(bench: Bench, arm: Arm, seed: int, folder: Path) -> tuple[dict[str, Any], Path]:
    """Train and segment on the command line, as a user does."""
    items = bench.split("train")
    truth = (
        draw(bench, arm.percent, seed) if arm.percent else [bench.path(i, "label") for i in items]
    )
    option = "--annotation" if arm.percent else "--labels"
    images = [bench.path(item, "image") for item in items]
    pairs = [part for i, t in zip(images, truth, strict=True) for part in ("--image", i, option, t)]
    common = Arm.parse(f"dense:{bench.options.common}".rstrip(":")).options
    more = [
        part
        for name, value in (*common, *arm.options)
        for part in (f"--{name}", told(bench, value))
    ]
    length = ["--steps", bench.options.steps] if bench.options.steps else [
        "--minutes", bench.options.minutes]  # fmt: skip
    task = ["--task", "foreground"] if bench.task == "instance" else []
    model, found = folder / "model", folder / "found"
    text = ziggurat(
        bench, "train", *pairs, "--out", model, *task, *length, "--seed", seed, "--overwrite", *more
    )
    val = [bench.path(item, "image") for item in bench.split("val")]
    found.mkdir(parents=True, exist_ok=True)
    source, out = (val[0].parent, found) if len(val) > 1 else (val[0], found / val[0].name)
    ziggurat(bench, "segment", source, "--model", model, "--out", out, "--overwrite")
    return json.loads(text), found


def told(bench: Bench, value: str) -> str:
    """Put the true shares of the classes, or the name of the data set, where they are meant."""
    if value != "told":
        return value.replace("DATASET", bench.name)
    flat = np.concatenate([bench.labels(item)[0].ravel() for item in bench.split("train")])
    counts = np.bincount(flat)
    return ",".join(f"{v}={n / flat.size:.5f}" for v, n in enumerate(counts) if v and n)


def plain_run(bench: Bench, arm: Arm, seed: int, folder: Path) -> tuple[dict[str, Any], Path]:
    """Let a plain alternative train and predict in a process of its own."""
    if bench.options.anchors is None:
        sys.exit(f"Give --anchors FOLDER for '{arm.name}'.")
    script = {"forest": "pixel_forest.py", "monai": "monai_plain.py"}[arm.kind]
    command = [sys.executable, bench.options.anchors / script, "--data", bench.options.data,
               "--dataset", bench.name, "--strokes", arm.percent / 100, "--seed", seed,
               "--threads", bench.options.threads, "--out", folder]  # fmt: skip
    if arm.kind == "monai":
        if bench.options.minutes is None:
            sys.exit("The plain MONAI script trains for minutes; give --minutes for it.")
        command += ["--minutes", bench.options.minutes]
    run(bench, command)
    return json.loads((folder / "run.json").read_text()), folder


def draw(bench: Bench, percent: float, seed: int) -> list[Path]:
    """Simulate strokes on each training image, as the plain alternatives do it; once."""
    folder = bench.options.out / "strokes" / bench.name / f"{percent:g}_{seed}"
    drawn = []
    for number, item in enumerate(bench.split("train")):
        drawn.append(folder / bench.path(item, "label").name)
        if not drawn[-1].exists():
            labels, affine = bench.labels(item)
            axis = 0 if affine is None else labels.ndim - 1
            done = bench.tool.simulate(labels, percent / 100, seed + number, axis, bench.mask(item))
            bench.tool.write(drawn[-1], done, affine)
    return drawn


def score(bench: Bench, folder: Path) -> dict[str, Any]:
    """Dice by class, pooled over the validation images, and its mean over the foreground."""
    table = np.zeros((256, 256), np.int64)
    for item in bench.split("val"):
        truth, mask = bench.labels(item)[0], bench.mask(item)
        stem = bench.path(item, "image").name.split(".")[0]
        found = bench.tool.read(next(folder.glob(f"{stem}.*")))[0]
        found = found > 0 if bench.task == "instance" else found
        keep = np.ones(truth.shape, bool) if mask is None else mask
        table += np.bincount(truth[keep] * 256 + found[keep], minlength=65536).reshape(256, 256)
    both = table.sum(0) + table.sum(1)
    dice = {int(v): 2 * float(table[v, v]) / int(both[v]) for v in np.flatnonzero(both) if v}
    found_share = {int(v): float(table[:, v].sum() / table.sum()) for v in dice}
    true_share = {int(v): float(table[v].sum() / table.sum()) for v in dice}
    mean = sum(dice.values()) / len(dice)
    return {"mean_dice": mean, "dice": dice, "found_share": found_share, "true_share": true_share}


def ziggurat(bench: Bench, *arguments: object) -> str:
    return run(bench, [sys.executable, "-m", "napari_ziggurat", *arguments, "--json"])


def run(bench: Bench, command: list[Any]) -> str:
    """Run a command on so many threads, and give back what it prints."""
    threads = {"OMP_NUM_THREADS": str(bench.options.threads)}
    words = list(map(str, command))
    done = subprocess.run(
        words, env=os.environ | threads, check=False, text=True, capture_output=True
    )
    if done.returncode:
        sys.exit(f"failed: {' '.join(words)}\n{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
