"""Make the picture of docs/objects.md: classes, and the objects that blocks make of them.

python tools/objects_picture.py
"""

import argparse
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

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "objects.png"
SIDE, BLOCK = 448, 112


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE)
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
        shrink(folder / "picture.png", options.out)


def draw(classes: np.ndarray, found: np.ndarray, path: Path) -> None:
    """Show both, with the seams between the blocks."""
    figure = new_figure(12.4, 6.4)
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.03})
    colors = np.random.default_rng(0).permutation(found.max()) + 1
    shuffled = np.concatenate([[0], colors])[found]
    panels = ((left, "labels of classes", classes, "Set2"), (right, "objects", shuffled, "turbo"))
    for panel, title, values, cmap in panels:
        panel.imshow(np.ma.masked_equal(values, 0), cmap=cmap, interpolation="nearest")
        panel.set_title(title, color=LIGHT, fontsize=12)
        panel.set_facecolor(DARK)
        panel.set_xticks([])
        panel.set_yticks([])
        for place in range(BLOCK, SIDE, BLOCK):
            panel.axhline(place - 0.5, color=LIGHT, lw=0.7, ls=":")
            panel.axvline(place - 0.5, color=LIGHT, lw=0.7, ls=":")
    figure.savefig(path, dpi=80, facecolor=DARK, bbox_inches="tight")


if __name__ == "__main__":
    main()
