"""Make the pictures of docs/objects.md: classes and their objects; blobs that touch, and cut.

python tools/objects_picture.py
"""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
from explain_pictures import shrink

from napari_ziggurat.images import open_output
from napari_ziggurat.images.samples import draw_plane
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import ObjectsConfig
from napari_ziggurat.runs.explain.figure import DARK, LIGHT, new_figure
from napari_ziggurat.runs.objects import objects

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
SIDE, BLOCK = 448, 112


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plane = draw_plane((SIDE, SIDE), seed=3)
        np.save(folder / "labels.npy", plane.labels)
        config = ObjectsConfig(
            labels=folder / "labels.npy", out=folder / "o.ome.zarr", axes="yx", spacing=(0.5, 0.5),
            unit="um", block=(BLOCK, BLOCK), min_size="4um2",
        )  # fmt: skip
        print(finish(objects(config)).render())
        found = open_output(folder / "o.ome.zarr")[0][:]
        draw(plane.labels, found.astype(np.int64), folder / "picture.png")
        shrink(folder / "picture.png", options.out / "objects.png")
        split(folder)
        shrink(folder / "picture.png", options.out / "objects_split.png")


def split(folder: Path) -> None:
    """Cut blobs that touch, and show where that was doubtful."""
    labels = blobs(SIDE)
    np.save(folder / "blobs.npy", labels)
    made = []
    for strength in (0.0, 0.8):
        config = ObjectsConfig(
            labels=folder / "blobs.npy", out=folder / "b.ome.zarr", axes="yx", overwrite=True,
            block=(BLOCK, BLOCK), split=strength,
        )  # fmt: skip
        print(finish(objects(config)).render())
        made.append(open_output(folder / "b.ome.zarr")[0][:].astype(np.int64))
    with (folder / "b_doubtful.csv").open() as file:
        doubtful = [(float(row["axis-0"]), float(row["axis-1"])) for row in csv.DictReader(file)]
    figure = new_figure(18.6, 6.4)
    panels = figure.subplots(1, 3, gridspec_kw={"wspace": 0.03})
    titles = ("labels of one class", "objects: --split 0", "objects: --split 0.8")
    for panel, title, values in zip(panels, titles, (labels, *made), strict=True):
        show(panel, title, values, "turbo" if values is not labels else "Set2")
    y, x = np.array(doubtful).reshape(-1, 2).T
    panels[2].scatter(x, y, s=70, facecolors="none", edgecolors="white", linewidths=1.6)
    figure.savefig(folder / "picture.png", dpi=80, facecolor=DARK, bbox_inches="tight")


def blobs(side: int) -> np.ndarray:
    """Draw ellipses, of which many touch."""
    rng, labels = np.random.default_rng(5), np.zeros((side, side), np.uint8)
    y, x = np.mgrid[:side, :side]
    for _ in range(130):
        cy, cx, turn = *rng.uniform(0, side, 2), rng.uniform(0, np.pi)
        a, b = rng.uniform(13, 24), rng.uniform(11, 18)
        along = (y - cy) * np.sin(turn) + (x - cx) * np.cos(turn)
        across = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        ellipse = (along / a) ** 2 + (across / b) ** 2 < 1
        if (labels[ellipse] > 0).mean() < 0.16:
            labels[ellipse] = 1
    return labels


def draw(classes: np.ndarray, found: np.ndarray, path: Path) -> None:
    """Show both, with the seams between the blocks."""
    figure = new_figure(12.4, 6.4)
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.03})
    show(left, "labels of classes", classes, "Set2")
    show(right, "objects", found, "turbo")
    figure.savefig(path, dpi=80, facecolor=DARK, bbox_inches="tight")


def show(panel, title: str, values: np.ndarray, cmap: str) -> None:
    """Show labels; objects have colours in no order."""
    if cmap == "turbo":
        colors = np.random.default_rng(0).permutation(values.max()) + 1
        values = np.concatenate([[0], colors])[values]
    panel.imshow(np.ma.masked_equal(values, 0), cmap=cmap, interpolation="nearest")
    panel.set_title(title, color=LIGHT, fontsize=12)
    panel.set_facecolor(DARK)
    panel.set_xticks([])
    panel.set_yticks([])
    for place in range(BLOCK, SIDE, BLOCK):
        panel.axhline(place - 0.5, color=LIGHT, lw=0.7, ls=":")
        panel.axvline(place - 0.5, color=LIGHT, lw=0.7, ls=":")


if __name__ == "__main__":
    main()
