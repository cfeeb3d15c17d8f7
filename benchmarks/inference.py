"""Compare the speed of whole segmentations with MONAI's sliding windows and nnU-Net's scheme.

    python benchmarks/inference.py [--quick] [--json] [--device cpu|cuda] [--model FOLDER]

Every row reads the same OME-Zarr, computes with the same weights on the same cores and writes
labels, in a process of its own, one after the other. The network is MONAI's BasicUNet with batch
norm, taught for half a minute to find blobs; ``--model`` keeps it for the next time.

A row takes minutes where windows overlap much. So only those in question are measured on the whole
volume; the others on a corner of it, and their rate is scaled by the voxels that the windows of the
whole volume hold. ``corner`` marks them. Labels are compared in the middle of the volume, or on
that corner, with what MONAI gives in float32 at an overlap of 0.75, with windows that are hardly
smaller than what they cover: larger than those of any row, so that nobody's borders are the rule.
Our labels are compared on both, so that each rival's have ours beside them.
"""

import argparse
import json
import math
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from inference_jobs import run

from napari_ziggurat.geometry import Box, Lattice

SPEC = "model.json"
EQUAL, DOCUMENTED = {"ours": True, "batch": 1}, {"ours": False, "batch": 4}
REFERENCE_OVERLAP = 0.75
STEP = 16  # all shapes are multiples of it

HEADING = (
    "what", "precision", "windows", "measured on", "voxels computed per voxel written",
    "10^6 voxels/s", "share of the bare forward", "peak memory, MiB", "labels changed, %",
    "times as long as ours: equal precision", "ours as it comes",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What is measured: how `inference_jobs` segments, and what it is told.

    Attributes
    ----------
    name, how, precision : str
    more : mapping
        What only this way is told.
    whole : bool
        Measured on the whole volume.
    mine : str
        For a row of ours, its windows as ``window/rim``.
    """

    name: str
    how: str
    precision: str
    more: dict[str, Any] = field(default_factory=dict)
    whole: bool = False
    mine: str = ""

    @property
    def windows(self) -> str:
        """Say the windows in words."""
        if self.mine:
            return "{} with a rim of {}".format(*self.mine.split("/"))
        return f"{self.more['roi']}, overlap {self.more.get('overlap', 0.5):g}"

    def redundancy(self, shape: Sequence[int]) -> float:
        """Voxels that a rival computes for each one that it writes."""
        roi = self.more["roi"]
        step = int(roi * (1 - self.more.get("overlap", 0.5)))
        windows = math.prod(-(-(n - roi) // step) + 1 for n in shape)
        views = 8 if self.more.get("mirror") else 1
        return views * windows * roi**3 / math.prod(shape)


@dataclass(frozen=True)
class Measured:
    """What a row took: rates in voxels per second, memory in bytes."""

    row: Row
    shape: tuple[int, ...]
    seconds: float
    redundancy: float
    rate: float
    bare: float
    peak: int
    device_peak: int | None = None
    changed: float | None = None
    changed_on_corner: float | None = None

    @property
    def share(self) -> float:
        """Give the part of the time in which the network computed, if nothing else had to be."""
        return self.rate * self.redundancy / self.bare

    @property
    def labels_changed(self) -> str:
        """Say how many per cent of the labels differ from the reference."""
        if self.changed is None:
            return "-"
        corner = self.changed_on_corner
        beside = "" if corner is None else f" ({100 * corner:.3f} on the corner)"
        return f"{100 * self.changed:.3f}{beside}"

    def __str__(self) -> str:
        return f"{self.rate / 1e6:.3f} x 10^6 voxels/s, {self.share:.2f} of the bare forward"

    def cells(self, equal: "Measured", usual: "Measured") -> list[str]:
        """Give the cells of the table."""
        memory = [b for b in (self.peak, self.device_peak) if b is not None]
        return [
            self.row.name,
            self.row.precision,
            self.row.windows,
            "whole" if self.row.whole else "corner",
            f"{self.redundancy:.2f}",
            f"{self.rate / 1e6:.3f}",
            f"{self.share:.2f}",
            " + ".join(f"{b / 2**20:.0f}" for b in memory),
            self.labels_changed,
            f"{equal.rate / self.rate:.2f}",
            f"{usual.rate / self.rate:.2f}",
        ]


@dataclass(frozen=True)
class Bench:
    """Where everything lies, and how jobs are run.

    Attributes
    ----------
    folder, trained : Path
        For what is made here, and the model.
    whole, corner : tuple of int
        Shapes.
    cores, device
        What every job may use.
    enough : float
        Seconds after which a row is not measured again; the median of up to three counts.
    """

    folder: Path
    trained: Path
    whole: tuple[int, ...]
    corner: tuple[int, ...]
    cores: int
    device: str
    enough: float

    def run(self, job: str, **more: Any) -> dict[str, Any]:
        """Run one job in a process of its own."""
        told = {"job": job, "cores": self.cores, "device": self.device, **more}
        return dict(self.jobs.submit(run, told).result())

    @cached_property
    def jobs(self) -> ProcessPoolExecutor:
        """One process after the other, forked from one that has loaded the libraries."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["inference_jobs"])
        return ProcessPoolExecutor(1, context, max_tasks_per_child=1)

    @cached_property
    def middle(self) -> Box:
        """Two thirds of the whole volume along each axis, in its middle."""
        return inner(Box.whole(self.whole), tuple(n // 6 // STEP * STEP for n in self.whole))

    @cached_property
    def compared(self) -> Box:
        """Part of the middle, away from its borders."""
        return inner(self.middle, tuple(3 * n // 4 for n in self.middle.start))

    def image(self, what: str) -> str:
        """Give the volume ``whole``, ``corner`` or ``middle``."""
        return str(self.folder / f"{what}.ome.zarr")

    @cached_property
    def truths(self) -> dict[str, np.ndarray]:
        """Give the labels that rows measured on ``whole`` and on ``corner`` are compared with."""
        inside = self.compared.relative_to(self.middle.start).slices
        middle = reference(self, "middle", self.middle.shape)[inside]
        return {"whole": middle, "corner": reference(self, "corner", self.corner)}

    def model(self, mine: str = "") -> str:
        """Give the folder of the model, with windows of its own where they are said."""
        return str(self.folder / f"model-{mine.replace('/', '-')}" if mine else self.trained)

    def measure(self, row: Row, what: str, **more: Any) -> dict[str, Any]:
        """Run a row; what it found, with the labels that it wrote."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            out = Path(folder) / "labels.ome.zarr"
            told = {"image": self.image(what), "model": self.model(row.mine), "out": str(out)}
            told |= {"how": row.how, "precision": row.precision, "enough": 0.1, "bare": False}
            found = self.run("measure", **{**told, **row.more, **more})
            return {**found, "labels": read_labels(out)}


def inner(box: Box, margins: Sequence[int]) -> Box:
    """Give what is left of a box without its margins."""
    starts = zip(box.start, margins, strict=True)
    stops = zip(box.stop, margins, strict=True)
    return Box(tuple(a + m for a, m in starts), tuple(b - m for b, m in stops))


def main() -> None:
    options = parse()
    started = time.monotonic()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    with tempfile.TemporaryDirectory() as folder:
        trained = options.model or Path(folder) / "model"
        shapes = options.shape, options.corner
        enough = 3.0 if options.quick else 10.0
        bench = Bench(Path(folder), trained, *shapes, options.cores, options.device, enough)
        facts = prepare(bench, options)
        found = measure_all(bench, rows(options, facts["planned"]))
        facts["seconds"] = time.monotonic() - started
    print(as_json(found, facts) if options.json else as_table(found, facts))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small volume and network, few rows")
    parser.add_argument("--json", action="store_true", help="print one object of JSON")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--shape", type=numbers, help="of the whole volume")
    parser.add_argument("--corner", type=numbers, help="shape of the corner")
    parser.add_argument("--features", type=int, help="of the finest level of the network")
    parser.add_argument("--window", default="", help="ours, as window/rim")
    parser.add_argument("--roi", type=int, default=96, help="windows of the others")
    parser.add_argument("--steps", type=int, help="of training")
    parser.add_argument("--model", type=Path, help="folder that keeps the trained model")
    options = parser.parse_args()
    quick = options.quick
    options.shape = options.shape or ((192,) * 3 if quick else (384,) * 3)
    options.corner = options.corner or (144,) * 3
    options.features = options.features or 8
    options.steps = options.steps or (60 if quick else 250)
    return options


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def prepare(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """Make volumes and model; give what is worth knowing of them."""
    middle = bench.middle
    for what, shape, start in (
        ("whole", bench.whole, (0, 0, 0)),
        ("corner", bench.corner, (0, 0, 0)),
        ("middle", middle.shape, middle.start),
    ):
        bench.run("make_volume", shape=shape, start=start, out=bench.image(what))
    if not (bench.trained / SPEC).exists():
        told = {"steps": options.steps, "features": options.features}
        bench.run("make_model", out=str(bench.trained), **told)
    spec = read_spec(bench.trained)
    return {
        "shape": bench.whole,
        "corner": bench.corner,
        "features": spec["network"]["topology"]["features"][0],
        "cores": bench.cores,
        "device": bench.device,
        "planned": f"{spec['window'][0]}/{spec['rim'][0]}",
    }


def rows(options: argparse.Namespace, planned: str) -> list[Row]:
    """Give what is measured; the first two are what the others are compared with."""
    mine = options.window or planned
    return [
        Row("ziggurat", "ziggurat", "bfloat16", whole=True, mine=mine),
        Row("ziggurat", "ziggurat", "float32", whole=True, mine=mine),
        *rivals(options.roi),
    ]


def rivals(roi: int) -> list[Row]:
    """Give the rows of MONAI and of nnU-Net's scheme."""
    found = []
    for precision, equal in (("bfloat16", EQUAL), ("float32", EQUAL), ("float32", DOCUMENTED)):
        name = "MONAI, our network" if equal["ours"] else "MONAI as documented"
        for overlap in (0.5, 0.25):
            more = {"roi": roi, "overlap": overlap, "buffered": False, **equal}
            found.append(Row(name, "monai", precision, more, whole=precision == "bfloat16"))
    buffered = {"roi": roi, "overlap": 0.25, "buffered": True, **DOCUMENTED}
    found.append(Row("MONAI as documented, buffered", "monai", "float32", buffered))
    for mirror in (False, True):
        name = f"nnU-Net's scheme, {'8 mirrored views' if mirror else 'not mirrored'}"
        more = {"roi": roi, "mirror": mirror, "ours": False, "batch": 1}
        found.append(Row(name, "nnunet", "bfloat16", more))
    return found


def measure_all(bench: Bench, wanted: Sequence[Row]) -> list[Measured]:
    """Measure every row, and compare its labels with the reference."""
    for mine in {row.mine for row in wanted if row.mine}:
        set_windows(bench, mine)
    found = []
    for row in wanted:
        found.append(measure(bench, row))
        print(f"{row.name}, {row.precision}: {found[-1]}", file=sys.stderr, flush=True)
    return found


def set_windows(bench: Bench, mine: str) -> None:
    """Copy the model with other windows."""
    shutil.copytree(bench.trained, bench.model(mine))
    window, rim = ([int(n)] * 3 for n in mine.split("/"))
    spec = {**read_spec(bench.trained), "window": window, "rim": rim}
    (Path(bench.model(mine)) / SPEC).write_text(json.dumps(spec), encoding="utf-8")


def read_spec(model: Path) -> dict[str, Any]:
    return dict(json.loads((model / SPEC).read_text(encoding="utf-8")))


def reference(bench: Bench, what: str, shape: Sequence[int]) -> np.ndarray:
    """Labels from windows that overlap so much that their borders do not show."""
    more = {"roi": min(shape) - STEP, "overlap": REFERENCE_OVERLAP, "buffered": False, **EQUAL}
    row = Row("reference", "monai", "float32", more)
    found: np.ndarray = bench.measure(row, what)["labels"]
    return found


def read_labels(path: Path) -> np.ndarray:
    """Read level 0 of an OME-Zarr, or a plain array."""
    node = zarr.open(str(path), mode="r")
    return np.asarray((node["0"] if isinstance(node, zarr.Group) else node)[:])


def measure(bench: Bench, row: Row) -> Measured:
    what = "whole" if row.whole else "corner"
    found = bench.measure(row, what, enough=bench.enough, bare=True)
    labels = found["labels"][bench.compared.slices] if row.whole else found["labels"]
    redundancy = whole_redundancy(bench, row)
    return Measured(
        row, bench.whole if row.whole else bench.corner, found["seconds"], redundancy,
        rate=found["computed"] / found["seconds"] / redundancy,
        bare=found["bare"],
        peak=found["peak"],
        device_peak=found.get("device_peak"),
        changed=float((labels != bench.truths[what]).mean()),
        changed_on_corner=changed_on_corner(bench, row) if row.mine else None,
    )  # fmt: skip


def changed_on_corner(bench: Bench, row: Row) -> float:
    labels = bench.measure(row, "corner")["labels"]
    return float((labels != bench.truths["corner"]).mean())


def whole_redundancy(bench: Bench, row: Row) -> float:
    """Voxels computed per voxel written on the whole volume."""
    if not row.mine:
        return row.redundancy(bench.whole)
    window, rim = ((int(n),) * 3 for n in row.mine.split("/"))
    strides = read_spec(bench.trained)["network"]["topology"]["strides"]
    stride = tuple(math.prod(axis) for axis in zip(*strides, strict=True))
    lattice = Lattice(bench.whole, window, rim, stride)
    windows = lattice.count(Box.whole(bench.whole))
    return windows * math.prod(lattice.window_shape) / math.prod(bench.whole)


def equals(found: Sequence[Measured]) -> dict[str, Measured]:
    """Our row of each precision."""
    return {each.row.precision: each for each in reversed(found) if each.row.mine}


def as_table(found: Sequence[Measured], facts: dict[str, Any]) -> str:
    ours = equals(found)
    lines = [caption(facts), "", line(HEADING), line(["---"] * 3 + ["---:"] * (len(HEADING) - 3))]
    lines += [line(each.cells(ours[each.row.precision], found[0])) for each in found]
    return "\n".join(lines)


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def caption(facts: dict[str, Any]) -> str:
    """Say what was measured, and what was scaled down."""
    whole, corner = (" x ".join(map(str, facts[of])) for of in ("shape", "corner"))
    return (
        f"BasicUNet with {facts['features']} features at the finest level on {facts['cores']} "
        f"cores ({facts['device']}); {whole} voxels of uint8, from OME-Zarr to labels. Rows "
        f"measured on a corner of {corner} are scaled to the whole by the voxels that their "
        f"windows hold, and their memory is that of the corner. Labels are compared there, or in "
        f"the middle of the whole, with float32 windows of nearly that size that overlap by "
        f"{REFERENCE_OVERLAP}. The planner's own windows are {facts['planned']}. Everything took "
        f"{facts['seconds']:.0f} s."
    )


def as_json(found: Sequence[Measured], facts: dict[str, Any]) -> str:
    ours = equals(found)
    listed = [
        {
            **asdict(each),
            "share": each.share,
            "times_equal": ours[each.row.precision].rate / each.rate,
            "times_usual": found[0].rate / each.rate,
        }
        for each in found
    ]
    return json.dumps({**facts, "rows": listed}, indent=1)


if __name__ == "__main__":
    main()
