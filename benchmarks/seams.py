"""Compare how much each way to cut a volume into windows changes what a network finds.

    python benchmarks/seams.py DATA OUT [--minutes 6] [--sides 64,128,192]

Trains a 3D network on the training split of DATA/em_neuropil_3d (kept in OUT/model), computes the
validation volume in one forward, and then window by window. Writes OUT/seams.md and OUT/seams.png.
Windows hold all sections and are cut along y and x only: sections are ten times thicker than
pixels.

Error of a voxel: half the sum over the classes of how much their probabilities differ from the
whole forward; 0 where they agree, 1 where they have nothing in common. A step is how much the
difference changes from one voxel to the next: at a seam it is larger than elsewhere.
"""

import argparse
import itertools
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import matplotlib as mpl
import numpy as np
import psutil
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes as Plot
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from monai.inferers import sliding_window_inference

from napari_ziggurat.geometry import Box, Lattice, blend_weights
from napari_ziggurat.images import Image, open_image
from napari_ziggurat.inference.block import CellPredictor, WindowReader
from napari_ziggurat.inference.cores import available_cores
from napari_ziggurat.inference.labels import Decision
from napari_ziggurat.inference.levels import finest_level
from napari_ziggurat.inference.predictor import Predictor
from napari_ziggurat.networks import Model, load_model

SET = "em_neuropil_3d"
RIMS, OVERLAPS = (0, 8, 16, 24, 32), (0.25, 0.5)
MOST_REDUNDANCY = 4.5
BYTES_PER_VALUE = 4 * 6  # float32, and about six tensors alive
MARKERS = "os^Dv"
SHOWN_SIDE, SHOWN_HALF = 128, 72
ERRORS = LogNorm(1e-4, 1)
HEADING = (
    "scheme", "window", "setting", "voxels computed per voxel written", "mean error, 10^-3",
    "labels changed, %", "Dice", "step at seams, 10^-3", "elsewhere", "jump",
)  # fmt: skip

Probabilities = np.ndarray  # (classes, Z, Y, X) float32


# What is computed, and where.


@dataclass(frozen=True)
class Scene:
    """A volume, its truth, and a network that is ready for windows of any shape."""

    image: Image
    truth: np.ndarray
    model: Model
    predictor: Predictor

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of the volume."""
        return self.image.levels[0].shape

    @property
    def reader(self) -> WindowReader:
        """Read windows as the network wants them."""
        apply = self.model.spec.intensity.apply
        return WindowReader(lambda box: self.image.read(0, box), apply, flat=False)

    @property
    def classes(self) -> int:
        """Count the classes, the background included."""
        return len(self.model.spec.classes)

    def windows(self, batch: torch.Tensor) -> torch.Tensor:
        """Give the probabilities of a batch, computed as the engine does: a window per thread."""

        def probabilities(logits: list[torch.Tensor]) -> torch.Tensor:
            return logits[0].float().softmax(dim=0)

        jobs = [
            partial(self.predictor.submit, lambda window=window: window, probabilities)
            for window in batch.numpy()
        ]
        return torch.stack(list(self.predictor.ahead(jobs)))

    @cached_property
    def reference(self) -> Probabilities:
        """Compute all at once; where that is too large, windows that overlap very much."""
        features = self.model.spec.network.topology.features[0]
        needed = math.prod(self.shape) * features * BYTES_PER_VALUE
        if needed < psutil.virtual_memory().available:
            return Cells(max(self.shape), 0).compute(self)
        return Sliding(max(s for s in self.shape if s <= 256), 0.75, "gaussian").compute(self)

    @cached_property
    def texture(self) -> float:
        """Mean step of the reference itself from one pixel to the next."""
        return float(np.mean([steps(self.reference, axis).mean() for axis in (1, 2)]))

    def window(self, side: int) -> tuple[int, ...]:
        """Give a window of all sections, not larger than the volume."""
        depth, *plane = (
            -(-n // m) * m for n, m in zip(self.shape, self.model.spec.stride, strict=True)
        )
        return depth, min(side, plane[0]), min(side, plane[1])


class Scheme(Protocol):
    """A way to cut a volume into windows."""

    side: int

    @property
    def setting(self) -> str:
        """Say the setting in words."""

    def redundancy(self, scene: Scene) -> float:
        """Voxels computed per voxel written."""

    def seams(self, scene: Scene) -> list[list[int]]:
        """First voxel after each seam, along y and along x."""

    def compute(self, scene: Scene) -> Probabilities:
        """Give the probabilities of the whole volume."""


@dataclass(frozen=True)
class Cells:
    """The windows of this project: each voxel belongs to one cell."""

    side: int
    rim: int
    blend: bool = False

    @property
    def setting(self) -> str:
        """Say the rim."""
        return f"rim {self.rim}"

    def lattice(self, scene: Scene) -> Lattice:
        """Give cells and windows."""
        window, stride = scene.window(self.side), scene.model.spec.stride
        return Lattice(scene.shape, window, (0, self.rim, self.rim), stride, self.blend)

    def redundancy(self, scene: Scene) -> float:
        """Count windows."""
        lattice = self.lattice(scene)
        count = lattice.count(Box.whole(scene.shape))
        return count * math.prod(lattice.window_shape) / math.prod(scene.shape)

    def seams(self, scene: Scene) -> list[list[int]]:
        """Cells tile the volume from its origin."""
        cell = self.lattice(scene).cell_shape
        return [list(range(cell[axis], scene.shape[axis], cell[axis])) for axis in (1, 2)]

    def compute(self, scene: Scene) -> Probabilities:
        """Let the engine do it."""
        found = np.zeros((scene.classes, *scene.shape), np.float32)
        lattice = self.lattice(scene)
        decision = Decision(tuple(range(scene.classes)), labels=False, probabilities=True)
        cells = CellPredictor(lattice, (finest_level(3),), decision, scene.predictor)
        for piece in cells.predict(Box.whole(scene.shape), scene.reader):
            weights = blend_weights(lattice, piece.cell, piece.box)
            found[(slice(None), *piece.box.slices)] += weights * piece.probabilities[0]
        return found


@dataclass(frozen=True)
class Sliding:
    """MONAI's windows, blended where they overlap."""

    side: int
    overlap: float
    mode: str

    @property
    def setting(self) -> str:
        """Say the overlap."""
        return f"overlap {self.overlap:g}"

    def starts(self, scene: Scene) -> list[list[int]]:
        """First voxel of each window, along y and along x."""
        found = []
        for n, w in zip(scene.shape[1:], scene.window(self.side)[1:], strict=True):
            step = max(1, int(w * (1 - self.overlap)))
            found.append([min(i * step, n - w) for i in range(-(-(n - w) // step) + 1)])
        return found

    def redundancy(self, scene: Scene) -> float:
        """Count windows."""
        count = math.prod(map(len, self.starts(scene)))
        return count * math.prod(scene.window(self.side)) / math.prod(scene.shape)

    def seams(self, scene: Scene) -> list[list[int]]:
        """Where windows begin and end."""
        windows = zip(self.starts(scene), scene.shape[1:], scene.window(self.side)[1:], strict=True)
        return [
            sorted({e for s in starts for e in (s, s + w) if 0 < e < n}) for starts, n, w in windows
        ]

    def compute(self, scene: Scene) -> Probabilities:
        """Let MONAI do it."""
        window = scene.reader.normalise(scene.image.read(0, Box.whole(scene.shape)))
        found = sliding_window_inference(
            torch.from_numpy(window)[None], scene.window(self.side), 8, scene.windows,
            overlap=self.overlap, mode=self.mode,
        )  # fmt: skip
        return np.asarray(found)[0]


@dataclass(frozen=True)
class Family:
    """Schemes that differ in window and setting only; one line of the figure for each window."""

    name: str
    colour: str
    settings: Sequence[float]
    make: Callable[[int, float], Scheme]


# One more way to cut is one more entry. The colours are told apart without seeing red or green.
FAMILIES = (
    Family("cells", "#0072B2", RIMS, lambda side, rim: Cells(side, int(rim))),
    Family("cells, --blend", "#56B4E9", RIMS[1:], lambda s, rim: Cells(s, int(rim), blend=True)),
    Family("MONAI gaussian", "#E69F00", OVERLAPS, lambda s, o: Sliding(s, o, "gaussian")),
    Family("MONAI constant", "#CC79A7", OVERLAPS, lambda s, o: Sliding(s, o, "constant")),
)


# What is measured.


@dataclass(frozen=True)
class Measured:
    """What a scheme changes; errors and steps as the module says."""

    family: Family
    scheme: Scheme
    redundancy: float
    error: float
    changed: float
    dice: float
    at_seams: float
    elsewhere: float
    shown: np.ndarray

    def row(self) -> str:
        """Give a row of Markdown."""
        return line([
            self.family.name, f"{self.scheme.side}", self.scheme.setting,
            f"{self.redundancy:.2f}", f"{1e3 * self.error:.2f}", f"{100 * self.changed:.3f}",
            f"{self.dice:.4f}", f"{1e3 * self.at_seams:.2f}", f"{1e3 * self.elsewhere:.2f}",
            f"{self.at_seams / self.elsewhere:.1f}",
        ])  # fmt: skip


def main() -> None:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    model = train(options)
    torch.set_num_threads(available_cores())
    with Predictor(model.network, torch.device("cpu")) as predictor:
        scene = open_scene(options.data / SET / "val", model, predictor)
        wanted = list(schemes(scene, options.sides))
        found = [measure(scene, *each) for each in report(wanted)]
    table = "\n".join(markdown(scene, found))
    (options.out / "seams.md").write_text(table + "\n", encoding="utf-8")
    draw(scene, found).savefig(options.out / "seams.png", dpi=200)
    print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=6.0, help="of training")
    parser.add_argument("--depth", type=int, default=4, help="resolutions of the network")
    parser.add_argument("--sides", type=numbers, default=(64, 128, 192), help="of windows")
    return parser.parse_args()


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def train(options: argparse.Namespace) -> Model:
    """Train on the training split, unless that was done before."""
    out, source = options.out / "model", options.data / SET / "train"
    if not (out / "model.json").exists():
        files = ["--image", source / "image_train.ome.tif"]
        files += ["--labels", source / "labels_train.ome.tif", "--out", out]
        how = ["--dims", 3, "--depth", options.depth, "--minutes", options.minutes]
        command = [sys.executable, "-m", "napari_ziggurat", "train", *files, *how, "--json"]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return load_model(out)


def open_scene(folder: Path, model: Model, predictor: Predictor) -> Scene:
    image = open_image(folder / "image_val.ome.tif")
    labels = open_image(folder / "labels_val.ome.tif")
    truth = labels.read(0, Box.whole(labels.levels[0].shape))[0]
    return Scene(image, truth, model, predictor)


def schemes(scene: Scene, sides: Sequence[int]) -> Iterator[tuple[Family, Scheme]]:
    """Give every scheme that the network's stride allows and that is not wasteful."""
    stride = scene.model.spec.stride[-1]
    for family, side in itertools.product(FAMILIES, sides):
        for setting in family.settings:
            whole = float(setting).is_integer()  # a rim, and no overlap
            if whole and (setting % stride or side <= 2 * setting):
                continue
            scheme = family.make(side, setting)
            if scheme.redundancy(scene) <= MOST_REDUNDANCY:
                yield family, scheme


def report(wanted: Sequence[tuple[Family, Scheme]]) -> Iterator[tuple[Family, Scheme]]:
    """Say on stderr what comes next."""
    for number, (family, scheme) in enumerate(wanted, 1):
        what = f"{family.name}, windows of {scheme.side}, {scheme.setting}"
        print(f"{number}/{len(wanted)} {what}", file=sys.stderr, flush=True)
        yield family, scheme


def measure(scene: Scene, family: Family, scheme: Scheme) -> Measured:
    found, reference = scheme.compute(scene), scene.reference
    difference = found - reference
    error = distance(difference)
    at_seams, elsewhere = seam_steps(difference, scheme.seams(scene))
    labels = found.argmax(0)
    return Measured(
        family, scheme, scheme.redundancy(scene), float(error.mean()),
        float((labels != reference.argmax(0)).mean()), mean_dice(labels, scene),
        at_seams, elsewhere, error[len(error) // 2],
    )  # fmt: skip


def distance(difference: np.ndarray) -> np.ndarray:
    """Half the sum over the classes: how much of the probability went elsewhere."""
    return 0.5 * np.abs(difference).sum(axis=0)


def steps(field: np.ndarray, axis: int) -> np.ndarray:
    """Step from each voxel to the next along an axis of (Z, Y, X)."""
    return distance(np.diff(field, axis=axis + 1))


def seam_steps(difference: np.ndarray, seams: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Mean step across the seams, and across all other borders of voxels."""
    sums, counts = np.zeros(2), np.zeros(2)
    for axis, places in zip((1, 2), seams, strict=True):
        profile = steps(difference, axis).astype(np.float64).mean(axis=tuple({0, 1, 2} - {axis}))
        is_seam = np.isin(np.arange(1, len(profile) + 1), places)
        for which, mask in enumerate((is_seam, ~is_seam)):
            sums[which] += profile[mask].sum()
            counts[which] += mask.sum()
    return float(sums[0] / max(1, counts[0])), float(sums[1] / counts[1])


def mean_dice(labels: np.ndarray, scene: Scene) -> float:
    """Mean over the foreground classes."""
    values = [(i, c.value) for i, c in enumerate(scene.model.spec.classes) if c.value]
    scores = []
    for channel, value in values:
        mine, true = labels == channel, scene.truth == value
        scores.append(2 * (mine & true).sum() / max(1, mine.sum() + true.sum()))
    return float(np.mean(scores))


# What is shown.


def markdown(scene: Scene, found: Sequence[Measured]) -> list[str]:
    """Give the table, with what one must know to read it."""
    by = " x ".join(map(str, scene.shape))
    training = scene.model.spec.training
    return [
        f"{SET}, validation volume of {by} voxels; {scene.model.spec.network.name} with a stride "
        f"of {' x '.join(map(str, scene.model.spec.stride))}, trained for "
        f"{training['seconds'] / 60:.1f} minutes ({training['steps']} steps). Compared with one "
        f"forward over the whole volume, which has a Dice of "
        f"{mean_dice(scene.reference.argmax(0), scene):.4f}; its probabilities change by "
        f"{1e3 * scene.texture:.1f} x 10^-3 from one pixel to the next.",
        "",
        line(HEADING),
        line(["---"] * 3 + ["---:"] * (len(HEADING) - 3)),
        *(each.row() for each in found),
    ]


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def draw(scene: Scene, found: Sequence[Measured]) -> Figure:
    """Draw errors over redundancy, and below them what they look like at a seam."""
    mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(7.2, 5.0), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.35, 1))
    left, right = above.subplots(1, 2)
    curves(left, found, [1e3 * each.error for each in found], "mean error, 10$^{-3}$")
    curves(right, found, [100 * each.changed for each in found], "labels changed, %")
    above.legend(handles=legend(found), loc="outside lower center", ncols=4, frameon=False)
    strip(below, scene, [each for each in found if each.scheme.side == SHOWN_SIDE])
    return figure


def curves(plot: Plot, found: Sequence[Measured], values: Sequence[float], label: str) -> None:
    """Draw a line for each family and window."""
    sides = sorted({each.scheme.side for each in found})
    for family, (number, side) in itertools.product(FAMILIES, enumerate(sides)):
        points = [
            (each.redundancy, value)
            for each, value in zip(found, values, strict=True)
            if each.family is family and each.scheme.side == side
        ]
        style = {"color": family.colour, "marker": MARKERS[number], "markersize": 4.5}
        plot.plot(*zip(*points, strict=True), linewidth=1, markeredgecolor="white",
                  markeredgewidth=0.4, **style)  # fmt: skip
    plot.set(xlabel="voxels computed per voxel written", ylabel=label, yscale="log")
    plot.grid(alpha=0.3, linewidth=0.5)


def legend(found: Sequence[Measured]) -> list[Line2D]:
    """Colours are families, marks are windows."""
    sides = sorted({each.scheme.side for each in found})
    lines = [Line2D([], [], color=family.colour, label=family.name) for family in FAMILIES]
    marks = [
        Line2D([], [], color="0.35", marker=mark, linestyle="", label=f"window {side}")
        for mark, side in zip(MARKERS, sides, strict=False)
    ]
    return [*lines, *marks]


def strip(figure: Figure, scene: Scene, found: Sequence[Measured]) -> None:
    """Show a part of the middle section, and the error there, beside a seam of every scheme."""
    settings = ("rim 0", "rim 16", "rim 32", "overlap 0.25")
    shown = [e for e in found if e.scheme.setting in settings and "constant" not in e.family.name]
    part = shown_part(scene, [each.scheme for each in shown])
    grey = scene.image.read(0, Box.whole(scene.shape))[0, scene.shape[0] // 2]
    plots = figure.subplots(1, len(shown) + 1)
    plots[0].imshow(grey[part], cmap="gray")
    plots[0].set_title("image", fontsize=7)
    plots[0].set(xticks=[], yticks=[])
    for plot, each in zip(plots[1:], shown, strict=True):
        drawn = plot.imshow(np.maximum(each.shown[part], ERRORS.vmin), cmap="magma", norm=ERRORS)
        plot.set_title(f"{each.family.name}\n{each.scheme.setting}", fontsize=7)
        mark_seams(plot, each.scheme.seams(scene), part)
    for plot in plots:
        plot.spines[:].set_visible(False)
        plot.tick_params(labelleft=False, labelbottom=False)
    figure.colorbar(drawn, ax=plots, label="error", shrink=0.7, pad=0.02, extend="min")
    figure.suptitle(
        f"Error beside seams, windows of {SHOWN_SIDE}; ticks mark the seams", fontsize=8
    )


def shown_part(scene: Scene, wanted: Sequence[Scheme]) -> tuple[slice, slice]:
    """Part of a section around a row where as many schemes as possible have a seam."""
    places = [set(scheme.seams(scene)[0]) for scheme in wanted]
    best = max(sorted(set().union(*places)), key=lambda y: sum(y in each for each in places))
    height, width = scene.shape[1:]
    top = min(max(0, best - SHOWN_HALF), max(0, height - 2 * SHOWN_HALF))
    start = max(0, width - 2 * SHOWN_HALF) // 2
    return slice(top, top + 2 * SHOWN_HALF), slice(start, start + 2 * SHOWN_HALF)


def mark_seams(plot: Plot, seams: Sequence[Sequence[int]], part: tuple[slice, slice]) -> None:
    """Put ticks outside the picture, so that they hide nothing of it."""
    for axis, places, cut in zip((plot.yaxis, plot.xaxis), seams, part, strict=True):
        axis.set_ticks([p - cut.start - 0.5 for p in places if cut.start < p < cut.stop])
    plot.tick_params(length=4, width=0.8)


if __name__ == "__main__":
    main()
