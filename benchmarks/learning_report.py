"""Table and figure of the runs of ``learning.py``."""

import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Runs = Mapping[tuple[str, str], Sequence[float]]
"""Mean foreground Dice of each seed, by arm and data set."""


def report(out: Path, length: str) -> str:
    """Write learning.md and learning.png of all runs of one length; give the table."""
    records = [json.loads(path.read_text()) for path in sorted((out / "runs").glob("*.json"))]
    runs = gathered([each for each in records if each["length"] == length])
    if not runs:
        return f"No runs of {length} in {out}."
    text = table(runs)
    (out / "learning.md").write_text(f"{length}\n\n{text}\n")
    draw(runs, out / "learning.png", length)
    return text


def gathered(records: Sequence[Mapping[str, Any]]) -> Runs:
    """Sort scores by arm and data set, seeds in order."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for each in sorted(records, key=lambda r: r["seed"]):
        found[each["arm"], each["dataset"]].append(each["mean_dice"])
    return dict(found)


def table(runs: Runs) -> str:
    """Give a row for each arm: Dice ± standard deviation (seeds), part of the dense Dice; means."""
    sets = sorted({name for _, name in runs})
    rows = [
        f"| arm | {' | '.join(sets)} | mean | share of dense |",
        "| --- |" + " --- |" * (len(sets) + 2),
    ]
    for arm in arms(runs):
        cells = [_cell(runs.get((arm, name), ())) + _part(runs, arm, name) for name in sets]
        cells += [_mean(runs, arm, sets), _share(runs, arm, sets)]
        rows.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(rows)


def arms(runs: Runs) -> list[str]:
    """Give the arms, each kind together: dense first, plain alternatives last."""
    order = {"d": 0, "s": 1, "f": 2, "m": 3}
    return sorted({arm for arm, _ in runs}, key=lambda arm: (order[arm[0]], arm))


def _cell(scores: Sequence[float]) -> str:
    if len(scores) < 2:
        return "".join(f"{each:.3f} (1)" for each in scores)
    return f"{statistics.mean(scores):.3f} ± {statistics.stdev(scores):.3f} ({len(scores)})"


def _part(runs: Runs, arm: str, name: str) -> str:
    """Part of the dense Dice of a data set, where both are there."""
    if arm == "dense" or (arm, name) not in runs or ("dense", name) not in runs:
        return ""
    return f", {statistics.mean(runs[arm, name]) / statistics.mean(runs['dense', name]):.0%}"


def _mean(runs: Runs, arm: str, sets: Sequence[str]) -> str:
    """Mean over the data sets, where there are all of them."""
    found = [statistics.mean(runs[arm, name]) for name in sets if (arm, name) in runs]
    return f"{statistics.mean(found):.3f}" if len(found) == len(sets) else ""


def _share(runs: Runs, arm: str, sets: Sequence[str]) -> str:
    """Mean over the data sets of what part of the dense Dice is reached."""
    both = [name for name in sets if (arm, name) in runs and ("dense", name) in runs]
    found = [statistics.mean(runs[arm, n]) / statistics.mean(runs["dense", n]) for n in both]
    return f"{statistics.mean(found):.2f}" if len(found) == len(sets) else ""


def draw(runs: Runs, path: Path, length: str) -> None:
    """Draw a panel for each data set: the mean of each arm, and its seeds as dots."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    sets, names = sorted({name for _, name in runs}), arms(runs)[::-1]
    size = (3.2 * len(sets) + 2, 0.35 * len(names) + 1.2)
    figure, axes = plt.subplots(1, len(sets), figsize=size, sharey=True, squeeze=False)
    for axis, name in zip(axes[0], sets, strict=True):
        for place, arm in enumerate(names):
            scores = runs.get((arm, name), ())
            if scores:
                axis.barh(place, statistics.mean(scores), color="#bbccee")
                axis.plot(scores, [place] * len(scores), ".", color="#222255")
        axis.set(title=name, xlabel="foreground Dice", yticks=range(len(names)), yticklabels=names)
        found = [s for arm in names for s in runs.get((arm, name), ())]
        axis.set_xlim(left=max(0.0, min(found) - 0.1))
    figure.suptitle(f"Learning from strokes, {length}")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
