"""Compare network designs: same images, same minutes, several seeds; print a table for each set.

    python benchmarks/designs.py DATA OUT --minutes 2 --seeds 3 [--set NAME ...] [--design NAME ...]

DATA holds one folder per data set with train/ and val/. Every run is kept in OUT and is not done
again, so that an interrupted comparison goes on with the same command, and ``--minutes 0`` only
prints. Training is measured in wall time: leave the machine alone, or give each process a core of
its own.
"""

import argparse
import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from quality import SETS, run
from scipy import stats

CHOSEN_SETS = ("em_membrane_2d", "nuclei_fluo_2d")


@dataclass(frozen=True)
class Design:
    """Options of `ziggurat train`, and how many seeds it needs beside those of all."""

    options: tuple[str, ...]
    more_seeds: int = 0


DESIGNS = {
    "unet": Design(("--network", "unet")),
    "residual_unet": Design(("--network", "residual_unet")),
    "unetpp": Design(("--network", "unetpp")),
    "unetpp, last output only": Design(("--network", "unetpp", "--deep-supervision", "1")),
    "attention_unet": Design(("--network", "attention_unet")),
    "unet3p": Design(("--network", "unet3p")),
    "upernet": Design(("--network", "upernet"), more_seeds=2),
    "upernet, equalized": Design(("--network", "upernet", "--equalize", "explicit"), more_seeds=2),
    "hrnet": Design(("--network", "hrnet")),
    "bifpn": Design(("--network", "bifpn")),
}
PAIRS = {"upernet, equalized": "upernet", "unetpp": "unetpp, last output only"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=CHOSEN_SETS, choices=CHOSEN_SETS, dest="sets")
    parser.add_argument("--design", nargs="*", default=list(DESIGNS), choices=list(DESIGNS))
    options = parser.parse_args()
    most = options.seeds + max(design.more_seeds for design in DESIGNS.values())
    for seed in range(most * bool(options.minutes)):  # a seed of all designs before the next seed
        for name in options.sets:
            for design in options.design:
                if seed < options.seeds + DESIGNS[design].more_seeds:
                    measure(name, design, seed, options)
    for name in options.sets:
        print(table(name, options.out))


def measure(name: str, design: str, seed: int, options: argparse.Namespace) -> None:
    """Train, segment the validation images and keep the scores, unless it was done before."""
    folder = options.out / name / design.replace(", ", "-").replace(" ", "_") / str(seed)
    if (folder / "scores.json").exists():
        return
    chosen = SETS[name]
    train, val = (chosen.paths(options.data / name, split) for split in ("train", "val"))
    truth = ("--image", train["image"], "--labels", train["labels"], "--task", chosen.task)
    length = ("--minutes", options.minutes, "--seed", seed)
    model, labels = folder / "model", folder / "labels"
    trained = json.loads(
        run("train", *truth, *length, *DESIGNS[design].options, "--out", model, "--overwrite")
    )
    run("segment", val["image"], "--model", model, "--out", labels, "--overwrite")
    scores = json.loads(run("evaluate", labels, val["labels"]))
    kept = {"design": design, "seed": seed, "minutes": options.minutes, "steps": trained["steps"]}
    text = json.dumps(kept | {"dice": scores["mean_dice"]})
    (folder / "scores.json").write_text(text)
    print(f"{name}: {text}", flush=True)


def table(name: str, out: Path) -> str:
    """Compare all runs of a data set that are there, in Markdown."""
    runs = [json.loads(path.read_text()) for path in (out / name).glob("*/*/scores.json")]
    rows = [f"| {name} | mean Dice | lowest to highest | seeds | steps |", "| --- |" + " --- |" * 4]
    for design in DESIGNS:
        if found := [each for each in runs if each["design"] == design]:
            rows.append(row(design, found))
    dice = {(each["design"], each["seed"]): each["dice"] for each in runs}
    pairs = [pair(one, other, dice) for one, other in PAIRS.items()]
    return "\n".join([*rows, "", *filter(None, pairs), ""])


def row(design: str, runs: list[dict[str, float]]) -> str:
    dice = [each["dice"] for each in runs]
    steps = statistics.mean(each["steps"] for each in runs)
    spread = f"{min(dice):.3f} to {max(dice):.3f}"
    return f"| {design} | {statistics.mean(dice):.3f} | {spread} | {len(dice)} | {steps:.0f} |"


def pair(one: str, other: str, dice: dict[tuple[str, int], float]) -> str:
    """Give the mean difference of two designs over equal seeds, with its 95 % interval (t)."""
    seeds = sorted(seed for design, seed in dice if design == one and (other, seed) in dice)
    differences = [dice[one, seed] - dice[other, seed] for seed in seeds]
    if len(differences) < 2:
        return ""
    mean = statistics.mean(differences)
    error = statistics.stdev(differences) / len(differences) ** 0.5
    half = error * stats.t.ppf(0.975, len(differences) - 1)
    return (
        f"{one} less {other}, {len(differences)} seeds: {mean:+.3f}, "
        f"95 % interval {mean - half:+.3f} to {mean + half:+.3f}"
    )


if __name__ == "__main__":
    main()
